// Commits transactions over all partitions of a topic and says which are acknowledged; the tests of this room kill it, or run several at once.
import { writeSync } from 'node:fs'
import { realClock, transactionalId } from '@tidemark/base'
import { openLocalLog } from './log.ts'

const [path = '', topic = '', name = '', transactions = '0', bytes = '0'] = process.argv.slice(2)
const log = openLocalLog({ path, clock: realClock })
const partitions = (await log.offsets(topic)).length
const session = log.session(transactionalId(`kill-writer.${name}`))
await session.initialise()
const padding = 'x'.repeat(Number(bytes))
for (let n = 0; n < Number(transactions); n += 1) {
  const begun = realClock.monotonic()
  await session.append(Array.from({ length: partitions }, (_, partition) => ({ topic, partition, records: [{ key: `${name}.${n}`, value: padding }] })))
  await session.commit()
  writeSync(1, `${n} ${(realClock.monotonic() - begun).toFixed(3)}\n`)
}
await log.close()
