// Whole clusters whose processes and servers are killed: at every named point, by a record, under an audit, while they lead. One suite at a time.
import everyday from './jest.config.js'

export default {
  ...everyday,
  testMatch: ['<rootDir>/test/faults/**/*.test.ts', '<rootDir>/packages/log-kafka/src/three-brokers.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
}
