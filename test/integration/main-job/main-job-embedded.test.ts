// The main job with no server at all.
import { mainJobSuite } from './main-job.ts'

mainJobSuite(() => ({}))
