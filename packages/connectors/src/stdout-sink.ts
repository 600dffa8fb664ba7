// Writes records as lines to a stream. At least once: a batch is written again when its acknowledgement was lost.
import type { Writable } from 'node:stream'
import { TidemarkError } from '@tidemark/base'
import type { OutboxSink } from '@tidemark/base'

const NEWLINE = Buffer.from('\n')

const refused = (cause: unknown): TidemarkError =>
  new TidemarkError(`the output takes no more lines: ${cause instanceof Error ? cause.message : String(cause)}`, {
    code: 'SINK_REFUSED', blame: 'user', action: 'fail-job', cause, hint: 'Whoever read the output of this process is gone. Start it with an output that stays.',
  })

/**
 * A delivery resolves when the stream has passed it on, so a slow reader slows the task. The records of one delivery stay together. A
 * stream that has failed once stays failed: every later delivery is `SINK_REFUSED`.
 */
export const openStdoutSink = (stream: Writable = process.stdout): OutboxSink => {
  let failure: Error | undefined
  const failed = (error: Error): void => {
    failure ??= error
  }
  // Without a listener a closed pipe would end the process.
  stream.on('error', failed)
  return {
    deliver: ({ records }) => new Promise((resolve, reject) => {
      if (failure) return reject(refused(failure))
      if (records.length === 0) return resolve()
      stream.write(Buffer.concat(records.flatMap((record) => [record, NEWLINE])), (error) => (error ? reject(refused(error)) : resolve()))
    }),
    // The stream is not ours; nothing of it is left open.
    close: async () => {
      stream.off('error', failed)
    },
  }
}
