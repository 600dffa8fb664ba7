// Positions published as a group's offsets, for lag tools. A "simple consumer": no member, generation -1; Kafka takes it while the group has no members. Nothing
// reads them: who sets them by hand changes nothing, and is told so.
import { TidemarkError } from '@tidemark/base'
import { brokerError, CODE, mayTryAgain } from './errors.ts'
import * as api from './wire/api.ts'
import type { EditedOffset, Logger } from '@tidemark/base'
import type { Cluster, TopicPartition } from './wire/cluster.ts'

const PAUSE_MS = 50
const TRIES_MAX = 60
/** Stands beside each offset that is ours; what a person or a tool sets has another text, or none. */
const OURS = 'published by Tidemark'

type Link = Awaited<ReturnType<Cluster['links']['to']>>

/** Best effort: what can't be asked is not told. */
const noticeEdits = async (link: Link, group: string, positions: readonly TopicPartition[], logger: Logger): Promise<readonly EditedOffset[]> => {
  const topics = [...Map.groupBy(positions, ({ topic }) => topic)].map(([topic, items]) => ({ topic, partitions: items.map(({ partition }) => ({ partition })) }))
  const { responses } = await link.call(api.offsetFetch({ groupId: group, topics }))
  const edited = responses.flatMap(({ topic, partitions }) => partitions.filter(({ errorCode, metadata, offset }) => errorCode === CODE.NONE && offset !== '-1' && metadata !== OURS).map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })))
  if (edited.length > 0) logger.warn({ group, edited, hint: 'Somebody else has set these offsets. It changes nothing: no job reads its positions from a group; ours are published again now.' }, 'log.group_offsets_edited')
  return edited
}

export const mirrorPositions = async (cluster: Cluster, group: string, positions: readonly (TopicPartition & { readonly nextOffset: number })[], logger: Logger): Promise<readonly EditedOffset[]> => {
  if (positions.length === 0) return []
  const topics = [...Map.groupBy(positions, ({ topic }) => topic)].map(([topic, items]) => ({ topic, partitions: items.map(({ partition, nextOffset }) => ({ partition, offset: String(nextOffset), metadata: OURS })) }))
  const request = api.offsetCommit({ groupId: group, groupGenerationId: -1, memberId: '', topics })
  let edited: readonly EditedOffset[] = []
  for (let attempt = 1; ; attempt++) {
    const link = await cluster.links.to(await cluster.coordinator('group', group))
    if (attempt === 1) edited = await noticeEdits(link, group, positions, logger)
    const refused = (await link.call(request)).responses.flatMap(({ topic, partitions }) => partitions.map((entry) => ({ topic, ...entry }))).find(({ errorCode }) => errorCode !== CODE.NONE)
    if (!refused) return edited
    const { topic, partition, errorCode } = refused
    if (errorCode === CODE.UNKNOWN_MEMBER_ID) {
      throw new TidemarkError(`group "${group}" has members of its own: positions are not published there`, { code: 'LOG_GROUP_IN_USE', blame: 'user', action: 'retry', hint: 'Another program consumes with this group id; give it another one.' })
    }
    if (!mayTryAgain(errorCode) || attempt >= TRIES_MAX) throw brokerError(errorCode, `publish positions to group "${group}"`, { topic, partition })
    await cluster.clock.sleep(PAUSE_MS)
  }
}
