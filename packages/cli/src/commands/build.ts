// tidemark build: a job as the file that `grpcurl -d @` streams to JobService.Submit.
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { realRandom, TidemarkError } from '@tidemark/base'
import { submitLines } from '@tidemark/wire'
import { parsePlan } from 'tidemark'
import { bundleJob } from '../bundle.ts'
import type { Context } from '../context.ts'
import { plural } from '../format/values.ts'

const firstDriver = (list: string): string => list.split(',', 1)[0]?.trim() ?? list

/**
 * Of the same job file the same bytes, whenever and wherever it is built; a restore is named, so that streaming the file twice does not restore twice.
 * `CLI_FILE_UNWRITABLE`.
 */
export const buildJob = async ({ terminal, json, servers }: Context, file: string, out: string, from?: number): Promise<void> => {
  const { plan, bundle, sha256 } = await bundleJob(file)
  const { job } = parsePlan(plan)
  const lines = [...submitLines({ plan, bundle, ...from === undefined ? {} : { fromCheckpoint: from, submissionId: realRandom.uuid() } })]
  const text = `${lines.join('\n')}\n`
  try {
    writeFileSync(out, text)
  } catch (cause) {
    throw new TidemarkError(`${out} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, { code: 'CLI_FILE_UNWRITABLE', blame: 'user', action: 'exit', path: out, cause, hint: 'Does its folder exist, and may you write there?' })
  }
  if (json) terminal.json({ job, out, chunks: lines.length, bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex'), bundleSha256: sha256 })
  else terminal.line(`${out}: ${job} in ${plural(lines.length, 'chunk')}. Submit it with: grpcurl -plaintext -d @ ${firstDriver(servers.driver)} tidemark.v1.JobService/Submit < ${out}`)
}
