/** How we introduce ourselves in ApiVersions (KIP-511): letters, digits, dots and dashes. */
export const clientSoftware = { name: 'millrace', version: '0.1.0' } as const
