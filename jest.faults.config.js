// The fault matrix: whole clusters whose processes are killed at every named point. One suite at a time.
import everyday from './jest.config.js'

export default {
  ...everyday,
  testMatch: ['<rootDir>/test/faults/**/*.test.ts', '<rootDir>/packages/log-kafka/src/three-brokers.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
}
