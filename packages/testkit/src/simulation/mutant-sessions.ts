// What mutants put between a slot and its transactions: what is written goes elsewhere, or nowhere.
import type { Append, Appended, Log, ProducerSession } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { instead } from './instead.ts'

export const isOutput = (topic: string): boolean => paths.parseInternalTopic(topic) === undefined

/** Beside the transaction: what goes to topics of which `isBeside` is true. */
export const outputsOutside = (log: Log, session: ProducerSession, isBeside: (topic: string) => boolean): ProducerSession => {
  /** One entry an append, in order; undefined: it is in the transaction, which says at its end where. */
  let written: (Appended | undefined)[] = []
  return instead(session, {
    append: async (writes) => {
      const isOutside = ({ topic }: Append): boolean => isBeside(topic)
      const outside = await log.write(writes.filter(isOutside))
      written.push(...writes.map((write) => (isOutside(write) ? outside.shift() : undefined)))
      await session.append(writes.filter((write) => !isOutside(write)))
    },
    commit: async () => {
      const inside = await session.commit()
      const all = written.map((one) => one ?? inside.shift() ?? { topic: '', partition: 0, baseOffset: -1 })
      written = []
      return all
    },
  })
}

/** Of each append only these records are written. */
export const withheld = (session: ProducerSession, keep: (write: Append) => Append['records']): ProducerSession => {
  /** One entry an append, in order: whether anything of it is left. */
  let left: boolean[] = []
  return instead(session, {
    append: async (writes) => {
      const kept = writes.map((write) => ({ ...write, records: keep(write) }))
      left.push(...kept.map(({ records }) => records.length > 0))
      await session.append(kept.filter(({ records }) => records.length > 0))
    },
    commit: async () => {
      const appended = await session.commit()
      const all = left.map((isLeft) => (isLeft ? appended.shift() : undefined) ?? { topic: '', partition: 0, baseOffset: -1 })
      left = []
      return all
    },
  })
}
