// The hour from 10:00 to 11:00 on real Kafka, MinIO and Redis.
import { serversOf } from '../../cluster/servers.ts'
import { describeWith } from '../../services/index.ts'
import { hourSuite } from './hour.ts'

describeWith(['kafka', 'minio', 'redis'], 'on real servers', (server) => {
  hourSuite(() => serversOf(server), ['commit.frozen', 'commit.appended', 'commit.committed', 'commit.applied'])
})
