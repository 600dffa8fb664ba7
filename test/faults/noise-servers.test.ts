// A job that is not deterministic, on real Kafka, MinIO and Redis.
import { serversOf } from '../cluster/servers.ts'
import { noiseSuite } from '../integration/promises/noise.ts'
import { describeWith } from '../services/index.ts'

describeWith(['kafka', 'minio', 'redis'], 'on real servers', (server) => {
  noiseSuite(() => serversOf(server), 10)
})
