// Topic settings that this room acts on, asked for once and kept a few minutes.
import type { Clock } from '@tidemark/base'
import { brokerError, CODE, missingError } from '../errors.ts'
import * as api from '../wire/api.ts'
import type { Cluster } from '../wire/cluster.ts'

export interface TopicConfig {
  readonly compacted: boolean
  readonly maxMessageBytes: number
  /** -1: unlimited. */
  readonly retentionMs: number
  readonly compressionType: string
  /** It may not be read: all of this is Kafka's own defaults. */
  readonly settingsHidden?: true
}

/** What a client without the right to read settings has to go by. */
const HIDDEN: TopicConfig = { compacted: false, maxMessageBytes: 1_048_588, retentionMs: 604_800_000, compressionType: 'producer', settingsHidden: true }
const KEPT_MS = 300_000
const NAMES = ['cleanup.policy', 'max.message.bytes', 'retention.ms', 'compression.type']

export class TopicConfigs {
  readonly #cluster: Cluster
  readonly #clock: Clock
  readonly #known = new Map<string, { readonly config: TopicConfig, readonly until: number }>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#clock = cluster.clock
  }

  /** `LOG_TOPIC_MISSING`. */
  async of(topic: string): Promise<TopicConfig> {
    const known = this.#known.get(topic)
    if (known && this.#clock.monotonic() < known.until) return known.config
    const config = (await this.read([topic])).get(topic)
    if (!config) throw missingError(topic)
    return config
  }

  forget(topic: string): void {
    this.#known.delete(topic)
  }

  /** Asked for afresh; topics that do not exist are left out. */
  async read(topics: readonly string[]): Promise<Map<string, TopicConfig>> {
    const found = new Map<string, TopicConfig>()
    if (topics.length === 0) return found
    const answer = await this.#cluster.ask(api.describeConfigs({ resources: topics.map((name) => ({ type: api.RESOURCE.topic, name, configNames: NAMES })), includeSynonyms: false }))
    for (const { errorCode, errorMessage, resourceName, configEntries } of answer.resources) {
      if (errorCode === CODE.UNKNOWN_TOPIC_OR_PARTITION) continue
      if (errorCode !== CODE.NONE && errorCode !== CODE.TOPIC_NOT_AUTHORISED) throw brokerError(errorCode, `read the settings of topic "${resourceName}"`, { topic: resourceName }, errorMessage)
      const config = errorCode === CODE.NONE ? parse(new Map(configEntries.map(({ configName, configValue }) => [configName, configValue ?? '']))) : HIDDEN
      found.set(resourceName, config)
      this.#known.set(resourceName, { config, until: this.#clock.monotonic() + KEPT_MS })
    }
    return found
  }
}

const policies = (entries: ReadonlyMap<string, string>): string[] => (entries.get('cleanup.policy') ?? 'delete').split(',').map((one) => one.trim())
const parse = (entries: ReadonlyMap<string, string>): TopicConfig => ({
  compacted: policies(entries).includes('compact'),
  maxMessageBytes: Number(entries.get('max.message.bytes') ?? HIDDEN.maxMessageBytes),
  // Where nothing is deleted by time it says nothing.
  retentionMs: policies(entries).includes('delete') ? Number(entries.get('retention.ms') ?? HIDDEN.retentionMs) : -1,
  compressionType: entries.get('compression.type') ?? HIDDEN.compressionType,
})
