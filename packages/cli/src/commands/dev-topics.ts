// The topics that the jobs of `dev` read and write, made where there are none yet: only there, where nobody else could make them.
import { closest } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { LogicalPlan } from 'tidemark'
import { plural } from '../format/values.ts'

const TOPIC_PARTITIONS = 4
/** One or two letters off; more, and it is another topic. */
const NAME_CHANGES_MAX = 2

/** One that is read, is not there, and is nearly named like one that no job of these uses was probably meant to be that one: it is made, and said. */
export const makeTopics = async (log: Log, plans: readonly LogicalPlan[], say: (text: string) => void): Promise<void> => {
  const read = new Set(plans.flatMap((plan) => plan.nodes.flatMap((node) => node.kind === 'source' && node.source.kind === 'topic' ? [node.source.topic] : [])))
  const written = plans.flatMap((plan) => plan.nodes.flatMap((node) => node.kind === 'sink' && node.sink.kind === 'topic' ? [node.sink.topic] : []))
  const wanted = new Set([...read, ...written])
  const known = await log.describeTopics([...wanted])
  const others = (await log.listTopics()).filter((topic) => !wanted.has(topic) && !paths.parseInternalTopic(topic))
  for (const topic of wanted) {
    if (known.has(topic)) continue
    await log.createTopics([{ topic, partitions: TOPIC_PARTITIONS }])
    const near = read.has(topic) ? closest(topic, others, NAME_CHANGES_MAX) : undefined
    say(`topic ${topic} is made with ${plural(TOPIC_PARTITIONS, 'partition')}${near === undefined ? '' : `. Did you mean ${near}, which is there?`}`)
  }
}
