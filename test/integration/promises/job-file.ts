// A job file with a name and topics of its own, written for one test and removed after it.
import { randomUUID } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '@tidemark/base'
import { generatedFolder } from '../../services/run-folder.ts'

export interface JobFile {
  readonly name: string
  readonly file: string
  /** Full name of one of its topics. */
  topic(short: string): string
  createTopics(log: Log): Promise<void>
  remove(log: Log): Promise<void>
}

/** `text`: what follows the import of `tidemark`, for this job name. Topics are called `<name>.<short>`. */
export const jobFile = (topics: readonly string[], partitions: number, text: (name: string) => string): JobFile => {
  const name = `t-${randomUUID().slice(0, 8)}`
  const file = join(generatedFolder(), `${name}.ts`)
  writeFileSync(file, `import { count, job, json, sum, topic, topicSink, tumbling } from 'tidemark'\nvoid [count, sum, tumbling]\n${text(name)}\n`)
  return {
    name, file,
    topic: (short) => `${name}.${short}`,
    createTopics: (log) => log.createTopics(topics.map((short) => ({ topic: `${name}.${short}`, partitions, config: { 'retention.ms': '-1' } }))),
    remove: async (log) => {
      rmSync(file, { force: true })
      await log.deleteTopics((await log.listTopics()).filter((one) => one.startsWith(`${name}.`) || one.startsWith(`tidemark.${name}.`)))
    },
  }
}
