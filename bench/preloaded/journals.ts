// When the last event was committed: the journals' commit records say what they reach and when they were made.
import { RecordAssembler } from '@tidemark/checkpoint'
import { realClock } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { readTopic } from '../topic-reading.ts'

/** Of these positions, by topic and partition. */
type Positions = ReadonlyMap<string, number>

interface Reached {
  /** Wall clock at which the commit record that reached the end was made, ms; of the last partition that did. */
  readonly at: number
  readonly commits: number
}

const reachedIn = async (log: Log, journal: string, ends: Positions): Promise<Reached | undefined> => {
  const assemblers = new Map<number, RecordAssembler>()
  const at = new Map<string, number>()
  let commits = 0
  await readTopic(log, journal, (record, partition) => {
    const assembler = assemblers.get(partition) ?? new RecordAssembler({ midway: true })
    assemblers.set(partition, assembler)
    const whole = record.value === null ? undefined : assembler.push(record.value, record.offset)
    if (whole?.record.kind !== 'commit') return
    commits += 1
    for (const position of whole.record.content.positions) {
      const name = `${position.topic}/${position.partition}`
      if (!at.has(name) && position.next >= (ends.get(name) ?? Infinity)) at.set(name, whole.record.timestamp)
    }
  })
  return at.size < ends.size ? undefined : { at: Math.max(...at.values()), commits }
}

/** Waits until the journal says that everything up to these positions is committed. */
export const committedAt = async (log: Log, journal: string, ends: Positions, waitMs: number): Promise<Reached> => {
  for (const began = realClock.monotonic(); realClock.monotonic() - began < waitMs;) {
    const reached = await reachedIn(log, journal, ends)
    if (reached !== undefined) return reached
    await realClock.sleep(100)
  }
  throw new Error(`the commit records of ${journal} do not reach the end of the input within ${waitMs} ms`)
}
