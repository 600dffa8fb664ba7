// The internal topics of a run: their settings, which there are, and how they go.
import { TidemarkError } from '@tidemark/base'
import type { JobId, Log, TopicSpec } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { InternalTopic, RunRecord } from '@tidemark/checkpoint'

const CONFIG: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1', 'segment.bytes': String(64 * 1024 * 1024), 'unclean.leader.election.enable': 'false',
}

/** One journal per stage, one topic per shuffle; one partition per task. */
export const topicsOfRun = ({ job, run, stages, shuffles }: RunRecord): TopicSpec[] => [
  ...stages.map(({ stage, partitions }) => ({ topic: paths.journalTopic(job, run, stage), partitions, config: CONFIG })),
  ...shuffles.map(({ topic, partitions }) => ({ topic, partitions, config: CONFIG })),
]

export interface FoundTopic extends InternalTopic {
  readonly topic: string
}

/** Every internal topic of the job's runs up to and including `run`. */
export const findTopics = async (log: Log, job: JobId, run: number): Promise<FoundTopic[]> =>
  (await log.listTopics()).flatMap((topic) => {
    const parsed = paths.parseInternalTopic(topic)
    return parsed && parsed.job === job && parsed.run <= run ? [{ ...parsed, topic }] : []
  })

/** A run that has begun keeps its topics: one that is missing, or has another number of partitions, was deleted or made anew by somebody. */
export const checkTopics = async (log: Log, record: RunRecord): Promise<void> => {
  const wanted = topicsOfRun(record)
  const found = await log.describeTopics(wanted.map(({ topic }) => topic))
  const gone = wanted.filter(({ topic, partitions }) => found.get(topic)?.partitions !== partitions)
  if (gone.length > 0) {
    throw new TidemarkError(`topics of run ${record.run} of ${record.job} are gone or were made anew: ${gone.map(({ topic }) => topic).join(', ')}`, {
      code: 'RUN_TOPICS_GONE', blame: 'environment', action: 'fail-job', job: record.job, run: record.run, hint: 'State since the last checkpoint was in them. `tidemark submit <job file> --from <checkpoint>`, or cancel it.',
    })
  }
}
