// A job that is not deterministic, with no server at all.
import { noiseSuite } from './noise.ts'

noiseSuite(() => ({}), 4)
