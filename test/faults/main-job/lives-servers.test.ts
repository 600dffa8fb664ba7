// Lives of a cluster on real Kafka, MinIO and Redis.
import { serversOf } from '../../cluster/servers.ts'
import { describeWith } from '../../services/index.ts'
import { livesSuite } from './lives.ts'

describeWith(['kafka', 'minio', 'redis'], 'on real servers', (server) => {
  livesSuite(() => serversOf(server))
})
