// Lives of a cluster with no server at all.
import { livesSuite } from './lives.ts'

livesSuite(() => ({}))
