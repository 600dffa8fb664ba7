// The crash matrix on real Kafka, MinIO and Redis.
import { serversOf } from '../cluster/servers.ts'
import { describeWith } from '../services/index.ts'
import { crashMatrix } from './crash-matrix.ts'

describeWith(['kafka', 'minio', 'redis'], 'on real servers', (server) => {
  crashMatrix('copartitioned', () => serversOf(server), { copartitioned: true, hasOpenTransactions: true })
  crashMatrix('with a shuffle and an idle input partition', () => serversOf(server), { copartitioned: false, hasOpenTransactions: true, idlePartitions: [3] })
})
