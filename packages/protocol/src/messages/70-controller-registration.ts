// ControllerRegistration, v0: KRaft: a controller registers (KIP-919).
import { array, bool, int16, int32, message, string, uint16, uuid, type Infer } from '../schema.ts'

export const controllerRegistrationRequest = message('ControllerRegistrationRequest', 70, '0', '0+', {
  controllerId: int32('0+'),
  incarnationId: uuid('0+'),
  zkMigrationReady: bool('0+'),
  listeners: array('0+', {
    name: string('0+'),
    host: string('0+'),
    port: uint16('0+'),
    securityProtocol: int16('0+'),
  }),
  features: array('0+', {
    name: string('0+'),
    minSupportedVersion: int16('0+'),
    maxSupportedVersion: int16('0+'),
  }),
})
export type ControllerRegistrationRequest = Infer<typeof controllerRegistrationRequest>
export type Listener = ControllerRegistrationRequest['listeners'][number]
export type Feature = ControllerRegistrationRequest['features'][number]

export const controllerRegistrationResponse = message('ControllerRegistrationResponse', 70, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullable(),
})
export type ControllerRegistrationResponse = Infer<typeof controllerRegistrationResponse>
