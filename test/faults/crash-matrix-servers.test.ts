// The crash matrix on real Kafka, MinIO and Redis; the output is read by kcat too.
import { serversOf } from '../cluster/servers.ts'
import { describeWith, readCommitted } from '../services/index.ts'
import { crashMatrix } from './crash-matrix.ts'

describeWith(['kafka', 'minio', 'redis', 'kcat'], 'on real servers', (server) => {
  const independently = async (topic: string): Promise<unknown[]> => (await readCommitted(server('kafka').brokers, topic)).map((record) => JSON.parse(record.payload ?? 'null') as unknown)
  crashMatrix('copartitioned', () => serversOf(server), { copartitioned: true, hasOpenTransactions: true, independently })
  crashMatrix('with a shuffle and an idle input partition', () => serversOf(server), { copartitioned: false, hasOpenTransactions: true, idlePartitions: [3], independently })
})
