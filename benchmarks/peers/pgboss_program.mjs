// pg-boss as its users run it: whole batches to the handler; see `command.py`.
import { PgBoss } from 'pg-boss'
import { main } from './command.mjs'

const QUEUE = 'noop'
const BATCH_SIZE = 1000
const LOCAL_CONCURRENCY = 2

async function started(url) {
  const boss = new PgBoss({ connectionString: url, useListenNotify: true })
  boss.on('error', console.error)
  await boss.start()
  return boss
}

await main({
  async install(url) {
    const boss = await started(url)
    await boss.createQueue(QUEUE, { notify: true })
    await boss.stop()
  },

  async fill(url, batches) {
    const boss = await started(url)
    for (const numbers of batches) await boss.insert(QUEUE, numbers.map(number => ({ data: { number } })))
    await boss.stop()
  },

  async work(url, start) {
    const boss = await started(url)
    const options = { batchSize: BATCH_SIZE, localConcurrency: LOCAL_CONCURRENCY, burstWhenBatchFull: true }
    await boss.work(QUEUE, options, async jobs => {
      for (const job of jobs) start(job.data.number)
    })
    return () => boss.stop()
  },

  async enqueue(url, sender) {
    const boss = await started(url)
    await sender(number => boss.send(QUEUE, { number }))
    await boss.stop()
  }
})
