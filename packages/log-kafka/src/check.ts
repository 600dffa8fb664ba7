// Refuses brokers that cannot carry the guarantees: before 3.6, or with the check of transactional appends switched off, a late produce request can leave a transaction open for ever.
import { TidemarkError } from '@tidemark/base'
import type { Logger } from '@tidemark/base'
import { brokerError, CODE } from './errors.ts'
import * as api from './wire/api.ts'
import type { Cluster } from './wire/cluster.ts'

/** Exists since Kafka 3.6. */
const VERIFICATION = 'transaction.partition.verification.enable'
const TIMEOUT_MAX = 'transaction.max.timeout.ms'

const unsupported = (message: string, hint: string): TidemarkError => new TidemarkError(message, { code: 'LOG_UNSUPPORTED', blame: 'environment', action: 'exit', hint })

/** Of one broker's settings. Pure, so that old brokers can be tried without one. */
export const judge = (broker: string, settings: ReadonlyMap<string, string | null>, transactionTimeoutMs: number): TidemarkError | undefined => {
  const verification = settings.get(VERIFICATION)
  if (verification === undefined) return unsupported(`broker ${broker} has no setting ${VERIFICATION}: it is older than Kafka 3.6`, 'Kafka 3.6 or newer is needed: an older broker can lose or hang transactions of a client that died.')
  if (verification !== 'true') return unsupported(`broker ${broker} has ${VERIFICATION}=${verification}`, 'Set it to true (its default) on every broker.')
  const maxMs = Number(settings.get(TIMEOUT_MAX) ?? Infinity)
  if (maxMs < transactionTimeoutMs) return unsupported(`broker ${broker} has ${TIMEOUT_MAX}=${maxMs}, less than the transaction timeout of ${transactionTimeoutMs} ms`, `Raise ${TIMEOUT_MAX}, or lower transactionTimeoutMs.`)
  return undefined
}

/** Every broker; each answers for itself. */
export const check = async (cluster: Cluster, logger: Logger, transactionTimeoutMs: number): Promise<void> => {
  await cluster.metadata([PROBE_TOPIC])
  for (const node of cluster.brokerIds) {
    const address = cluster.addressOf(node)
    if (!address) continue
    const link = await cluster.links.to(address)
    const answer = await link.call(api.describeConfigs({ resources: [{ type: api.RESOURCE.broker, name: String(node), configNames: [VERIFICATION, TIMEOUT_MAX] }], includeSynonyms: false }))
    for (const { errorCode, errorMessage, configEntries } of answer.resources) {
      if (errorCode === CODE.CLUSTER_NOT_AUTHORISED) {
        logger.warn({ broker: node, setting: VERIFICATION }, 'log.check_not_allowed')
        continue
      }
      if (errorCode !== CODE.NONE) throw brokerError(errorCode, `read the settings of broker ${node}`, {}, errorMessage)
      const problem = judge(`${node} (${address.host}:${address.port})`, new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])), transactionTimeoutMs)
      if (problem) throw problem
    }
  }
}

/** Any name: metadata without a topic would list them all. Never created. */
const PROBE_TOPIC = 'tidemark'
