// The same command line for the Node peers as `command.py` has for the Python ones.
import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

const FILLED_AT_ONCE = 1000

const now = () => (performance.timeOrigin + performance.now()) / 1000

export async function main(peer) {
  const [command, url, ...more] = process.argv.slice(2)
  const rows = []
  switch (command) {
    case 'install':
      await peer.install(url)
      break
    case 'fill': {
      const numbers = Array.from({ length: Number(more[0]) }, (_, number) => number)
      const batches = []
      for (let i = 0; i < numbers.length; i += FILLED_AT_ONCE) batches.push(numbers.slice(i, i + FILLED_AT_ONCE))
      await peer.fill(url, batches)
      break
    }
    case 'work': {
      const stop = await peer.work(url, number => rows.push([number, now()]))
      const asked = new Promise(resolve => process.once('SIGTERM', resolve))
      console.log('ready')
      await asked
      await stop()
      write(more[0], rows)
      break
    }
    case 'enqueue':
      await peer.enqueue(url, async one => {
        for (let number = 0; number < Number(more[0]); number++) {
          const called = now()
          await one(number)
          rows.push([number, called, now()])
          await pause(Number(more[1]) * 1000)
        }
      })
      write(more[2], rows)
      break
    default:
      throw new Error(`unknown command ${command}`)
  }
  process.exit(0)
}

function write(record, rows) {
  writeFileSync(record, rows.map(row => row.join(' ') + '\n').join(''))
}
