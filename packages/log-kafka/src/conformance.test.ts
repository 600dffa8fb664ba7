// The suite that every adapter of the Log port passes, on a real broker.
import { realClock, silentLogger } from '@tidemark/base'
import { logConformance } from '@tidemark/testkit'
import { describeWith } from '../../../test/services/index.ts'
import { openKafkaLog } from './log.ts'

describeWith(['kafka'], 'Kafka', (server) => {
  logConformance('kafka', async () => {
    const log = openKafkaLog({ brokers: server('kafka').brokers, clientId: 'tidemark-conformance', clock: realClock, logger: silentLogger })
    return { log, close: () => log.close() }
  })
})
