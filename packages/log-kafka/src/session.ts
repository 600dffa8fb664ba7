// One producer session: AddPartitionsToTxn, produce, EndTxn, spoken directly. Nothing that may have reached the log is tried again: any rejection ends the session.
import { TidemarkError } from '@tidemark/base'
import type { Append, Appended, ProducerSession, TransactionalId } from '@tidemark/base'
import { callCoordinator, initialise } from './coordinator.ts'
import type { Producer } from './coordinator.ts'
import { brokerError, clientError, closedError, CODE, unavailableError } from './errors.ts'
import { cutRequest, gather, settle } from './outgoing.ts'
import type { Outgoing } from './outgoing.ts'
import { BatchEncoder } from './records/encode.ts'
import type { TopicConfig, TopicConfigs } from './topics/configs.ts'
import * as api from './wire/api.ts'
import type { Cluster } from './wire/cluster.ts'
import { Links } from './wire/links.ts'
import { produce } from './wire/produce.ts'

/** Sequence numbers are int32 and wrap to 0 after 2^31 - 1. */
const SEQUENCES = 2 ** 31

export class KafkaSession implements ProducerSession {
  readonly transactionalId: TransactionalId
  readonly #cluster: Cluster
  readonly #configs: TopicConfigs
  readonly #transactionTimeoutMs: number
  readonly #links: Links
  readonly #onClose: () => void
  readonly #encoder = new BatchEncoder()
  #producer: Producer | undefined
  #dead: TidemarkError | undefined
  #busy = false
  /** Next sequence number, by `topic/partition`; for the life of the producer id. */
  readonly #sequences = new Map<string, number>()
  /** Partitions of the open transaction, `topic/partition`. */
  readonly #added = new Set<string>()
  #appended: Appended[] = []

  constructor(cluster: Cluster, configs: TopicConfigs, id: TransactionalId, transactionTimeoutMs: number, onClose: () => void) {
    this.transactionalId = id
    this.#cluster = cluster
    this.#configs = configs
    this.#transactionTimeoutMs = transactionTimeoutMs
    this.#links = new Links(cluster.settings)
    this.#onClose = onClose
  }

  initialise(): Promise<void> {
    return this.#only(async () => {
      if (this.#producer) throw new TidemarkError(`transactional id "${this.transactionalId}" is initialised already`, { code: 'LOG_SESSION_MISUSED', blame: 'bug', action: 'restart-task' })
      this.#producer = await initialise(this.#cluster, this.#links, this.transactionalId, this.#transactionTimeoutMs)
    })
  }

  append(writes: readonly Append[]): Promise<void> {
    return this.#only(async () => {
      this.#initialised()
      if (writes.length === 0) return
      const outgoing = gather(writes)
      const groups = await this.#cluster.byLeader(outgoing)
      const configs = await this.#configsOf(outgoing)
      await this.#addPartitions(outgoing)
      const appended: (Appended | undefined)[] = Array.from({ length: writes.length }, () => undefined)
      await Promise.all([...groups].map(([node, ofNode]) => this.#send(node, ofNode, configs, appended)))
      for (const entry of appended) if (entry) this.#appended.push(entry)
    })
  }

  commit(): Promise<Appended[]> {
    return this.#only(async () => {
      const producer = this.#initialised()
      if (this.#added.size === 0) return []
      const doing = `commit a transaction of "${this.transactionalId}"`
      const request = api.endTxn({ transactionalId: this.transactionalId, producerId: producer.producerId, producerEpoch: producer.producerEpoch, transactionResult: true })
      let errorCode: number
      try {
        const ended = await callCoordinator(this.#cluster, this.#links, this.transactionalId, producer.coordinator, doing, () => request, (answer) => answer.errorCode)
        errorCode = ended.answer.errorCode
        this.#producer = { ...producer, coordinator: ended.coordinator }
      } catch (error) {
        throw unknownOutcome(doing, error)
      }
      if (errorCode === CODE.INVALID_PRODUCER_EPOCH || errorCode === CODE.PRODUCER_FENCED) throw brokerError(errorCode, doing)
      if (errorCode !== CODE.NONE) throw unknownOutcome(doing, brokerError(errorCode, doing))
      this.#added.clear()
      const appended = this.#appended
      this.#appended = []
      return appended
    })
  }

  async close(): Promise<void> {
    this.#dead ??= closedError(`session "${this.transactionalId}"`)
    this.#onClose()
    await this.#links.close()
  }

  /** One call at a time; after a rejection none. */
  async #only<T>(call: () => Promise<T>): Promise<T> {
    if (this.#dead) throw new TidemarkError(`session "${this.transactionalId}" has ended: ${this.#dead.message}`, { code: 'LOG_CLOSED', blame: 'bug', action: 'restart-task', cause: this.#dead })
    if (this.#busy) throw new TidemarkError(`session "${this.transactionalId}" is used by two callers at once`, { code: 'LOG_SESSION_MISUSED', blame: 'bug', action: 'restart-task' })
    this.#busy = true
    try {
      return await call()
    } catch (error) {
      const ours = clientError(error, `session "${this.transactionalId}"`)
      this.#dead = ours
      throw ours
    } finally {
      this.#busy = false
    }
  }

  #initialised(): Producer {
    if (this.#producer) return this.#producer
    throw new TidemarkError(`session "${this.transactionalId}" is not initialised`, { code: 'LOG_SESSION_MISUSED', blame: 'bug', action: 'restart-task' })
  }

  async #configsOf(outgoing: readonly Outgoing[]): Promise<Map<string, TopicConfig>> {
    const topics = [...new Set(outgoing.map(({ topic }) => topic))]
    return new Map(await Promise.all(topics.map(async (topic) => [topic, await this.#configs.of(topic)] as const)))
  }

  async #addPartitions(outgoing: readonly Outgoing[]): Promise<void> {
    const producer = this.#initialised()
    const fresh = outgoing.filter(({ topic, partition }) => !this.#added.has(`${topic}/${partition}`))
    if (fresh.length === 0) return
    const doing = `open a transaction of "${this.transactionalId}"`
    const topics = [...Map.groupBy(fresh, ({ topic }) => topic)].map(([topic, items]) => ({ topic, partitions: items.map(({ partition }) => partition) }))
    const request = api.addPartitionsToTxn({ transactionalId: this.transactionalId, producerId: producer.producerId, producerEpoch: producer.producerEpoch, topics })
    // From here on the coordinator may count them in, whatever it answers.
    for (const { topic, partition } of fresh) this.#added.add(`${topic}/${partition}`)
    const flat = (answer: Awaited<ReturnType<typeof request.response.decode>>) => answer.errors.flatMap(({ topic, partitionErrors }) => partitionErrors.map((entry) => ({ topic, ...entry })))
    const refusal = (answer: Parameters<typeof flat>[0]) => flat(answer).toSorted((a, b) => Number(a.errorCode === CODE.OPERATION_NOT_ATTEMPTED) - Number(b.errorCode === CODE.OPERATION_NOT_ATTEMPTED)).find(({ errorCode }) => errorCode !== CODE.NONE)
    const { answer, coordinator } = await callCoordinator(this.#cluster, this.#links, this.transactionalId, producer.coordinator, doing, () => request, (data) => refusal(data)?.errorCode ?? CODE.NONE)
    this.#producer = { ...producer, coordinator }
    const refused = refusal(answer)
    if (refused) throw brokerError(refused.errorCode, `${doing} on partition ${refused.partition} of "${refused.topic}"`, { topic: refused.topic, partition: refused.partition })
    if (flat(answer).length !== fresh.length) throw new TidemarkError(`${doing}: the coordinator answered for ${flat(answer).length} of ${fresh.length} partitions`, { code: 'LOG_BROKER_ERROR', blame: 'environment', action: 'restart-task' })
  }

  /** Batches of one partition go one after the other; each carries the next sequence numbers. */
  async #send(node: number, outgoing: readonly Outgoing[], configs: ReadonlyMap<string, TopicConfig>, appended: (Appended | undefined)[]): Promise<void> {
    const { producerId, producerEpoch } = this.#initialised()
    for (;;) {
      const batches = cutRequest(outgoing, configs, this.#encoder, this.#cluster.clock.now(), ({ topic, partition }) => ({ producerId, producerEpoch, firstSequence: this.#sequences.get(`${topic}/${partition}`) ?? 0 }))
      if (batches.length === 0) return
      for (const { topic, partition, count } of batches) {
        const key = `${topic}/${partition}`
        this.#sequences.set(key, ((this.#sequences.get(key) ?? 0) + count) % SEQUENCES)
      }
      try {
        const address = this.#cluster.addressOf(node)
        if (!address) throw unavailableError(`broker ${node} has left the cluster`)
        const bases = await produce(await this.#links.to(address), this.transactionalId, batches, this.#cluster.settings.requestTimeoutMs)
        for (const [index, batch] of batches.entries()) settle(batch, bases[index]!, appended)
      } catch (error) {
        // The next session must not go by what this one believed of these topics.
        for (const { topic } of batches) { this.#cluster.forget(topic); this.#configs.forget(topic) }
        throw error
      }
    }
  }
}

const unknownOutcome = (doing: string, cause: unknown): TidemarkError =>
  new TidemarkError(`${doing}: no clear answer, it may have happened or not`, { code: 'LOG_OUTCOME_UNKNOWN', blame: 'environment', action: 'restart-task', hint: 'The journal decides: fence this id, take a new one, read back.', cause })
