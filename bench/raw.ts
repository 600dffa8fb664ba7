// The ceiling: the same client reads the same topic and parses its JSON. No state, no output, no commit.
import { realClock } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { INPUT_TOPIC } from './payments.ts'
import { readTopic } from './topic-reading.ts'

export interface RawFigures {
  readonly eventsPerSecond: number
  readonly cpuSecondsPerMillion: number
}

export const measureRaw = async (log: Log, events: number): Promise<RawFigures> => {
  const [cpu, began] = [process.cpuUsage(), realClock.monotonic()]
  let [count, amounts] = [0, 0]
  await readTopic(log, INPUT_TOPIC, (record) => {
    const { amount } = JSON.parse(record.value?.toString('utf8') ?? 'null') as { readonly amount: number }
    amounts += amount
    count += 1
  })
  const seconds = (realClock.monotonic() - began) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  if (count !== events || amounts < count) throw new Error(`the raw client read ${count} of ${events} events`)
  return { eventsPerSecond: Math.round(count / seconds), cpuSecondsPerMillion: (user + system) / count }
}
