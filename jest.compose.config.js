// The README's walk through a cluster of containers: needs Docker, and the images of docker-compose.yml; takes minutes.
import everyday from './jest.config.js'

export default {
  ...everyday,
  testMatch: ['<rootDir>/test/compose/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
}
