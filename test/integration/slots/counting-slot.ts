// A job that counts its items by user, and a slot fixture of it: where a test is about the slot and not about the job.
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { openLocalLog } from '@tidemark/log-local'
import { count, job, json, topic, topicSink } from 'tidemark'
import type { Job } from 'tidemark'
import { disturbedLog } from './disturbed-log.ts'
import type { DisturbedLog } from './disturbed-log.ts'
import { SlotFixture } from './slot-fixture.ts'
import type { OpenLog } from './slot-fixture.ts'

export interface CountingOptions {
  readonly partitions: number
  /** A stage behind a shuffle, in place of one stage that is copartitioned with its input. */
  readonly shuffled?: boolean
  /** In place of the embedded log, in a folder of the fixture's own. */
  readonly openLog?: OpenLog
}

export interface CountingSlots {
  readonly fixture: SlotFixture
  /** Topic of `{ user }`. */
  readonly items: string
  /** Topic of one count for each item. */
  readonly out: string
}

const openEmbedded = (folder: string): Log => openLocalLog({ path: join(folder, 'log.db'), clock: realClock })

const counting = (name: string, shuffled: boolean): Job => job(name, { version: '1' })
  .source('items', topic(`${name}.items`, { value: json<{ readonly user: string }>() }))
  .keyBy((item) => item.user, shuffled ? {} : { copartitioned: true })
  .aggregate('per-user', { count: count() }, { emit: 'updates' })
  .sink('out', topicSink(`${name}.out`, { value: json() }))

export const startCounting = async ({ partitions, shuffled = false, openLog = openEmbedded }: CountingOptions): Promise<CountingSlots> => {
  const name = `counting-${randomUUID().slice(0, 8)}`
  const [items, out] = [`${name}.items`, `${name}.out`]
  return { fixture: await SlotFixture.start(openLog, counting(name, shuffled), partitions, [items, out]), items, out }
}

/** On an embedded log whose reads a test can hold up or spoil. */
export const startDisturbed = async (options: Omit<CountingOptions, 'openLog'>): Promise<CountingSlots & { readonly disturbed: DisturbedLog }> => {
  const made: DisturbedLog[] = []
  const slots = await startCounting({
    ...options,
    openLog: (folder) => {
      const disturbed = disturbedLog(openEmbedded(folder))
      made.push(disturbed)
      return disturbed.log
    },
  })
  const [disturbed] = made
  if (disturbed === undefined) throw new Error('the fixture opened no log')
  return { ...slots, disturbed }
}
