// graphile-worker with the settings of its own performance test; see `command.py`.
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import { main } from './command.mjs'

const quiet = new Logger(() => () => {})

function preset(url) {
  return {
    worker: {
      connectionString: url,
      concurrentJobs: 24,
      maxPoolSize: 25,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      logger: quiet
    }
  }
}

async function withUtils(url, work) {
  const utils = await makeWorkerUtils({ preset: preset(url) })
  try {
    await work(utils)
  } finally {
    await utils.release()
  }
}

await main({
  install: url => withUtils(url, utils => utils.migrate()),

  fill: (url, batches) =>
    withUtils(url, async utils => {
      for (const numbers of batches) {
        await utils.addJobs(numbers.map(number => ({ identifier: 'noop', payload: { number } })))
      }
    }),

  async work(url, start) {
    const taskList = { noop: ({ number }) => start(number) }
    const runner = await run({ preset: preset(url), taskList, noHandleSignals: true })
    return () => runner.stop()
  },

  enqueue: (url, sender) => withUtils(url, utils => sender(number => utils.addJob('noop', { number })))
})
