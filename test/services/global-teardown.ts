// Jest's global teardown: ends exactly the servers that this run started, and says which suites were skipped for want of servers.
import { endRun, runFolder, skippedSuites } from './run-folder.ts'

const teardown = (): void => {
  const folder = runFolder()
  process.stderr.write(skippedSuites(folder))
  endRun(folder)
}
export default teardown
