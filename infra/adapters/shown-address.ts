/** The address of an engine as people may read it in an error: without what is secret in it, and without its options. */
export const shownAddress = (url: string): string => url.replace(/\/\/[^@/]*@/, '//').replace(/\?.*$/, '')
