export const openApi = (publicUrl: string | undefined): object => ({ openapi: '3.1.0', servers: [{ url: publicUrl ?? '/' }] })
