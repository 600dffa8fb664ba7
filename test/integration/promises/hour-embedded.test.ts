// The hour from 10:00 to 11:00 with no server at all.
import { hourSuite } from './hour.ts'

hourSuite(() => ({}), ['commit.frozen', 'commit.committed', 'commit.applied'])
