// Slots on each log that is there.
import { describe } from '@jest/globals'
import { join } from 'node:path'
import { realClock, silentLogger } from '@tidemark/base'
import { openKafkaLog } from '@tidemark/log-kafka'
import { openLocalLog } from '@tidemark/log-local'
import { describeWith } from '../../services/index.ts'
import { slotSuite } from './slots.ts'

describe('slots on the embedded log', () => {
  slotSuite((folder) => openLocalLog({ path: join(folder, 'log.db'), clock: realClock }))
})

describeWith(['kafka'], 'slots on Kafka', (server) => slotSuite(() => openKafkaLog({ brokers: server('kafka').brokers, clientId: 'slots-test', clock: realClock, logger: silentLogger })))
