// Jest's global teardown: ends exactly the servers that this run started.
import { endRun, runFolder } from './run-folder.ts'

const teardown = (): void => endRun(runFolder())
export default teardown
