// The main job on real Kafka, MinIO and Redis.
import { serversOf } from '../../cluster/servers.ts'
import { describeWith } from '../../services/index.ts'
import { mainJobSuite } from './main-job.ts'

describeWith(['kafka', 'minio', 'redis'], 'on real servers', (server) => {
  mainJobSuite(() => serversOf(server))
})
