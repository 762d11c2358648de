/** Whether a path of the OpenAPI document is an endpoint of the authorization server: test/oauth has its tests. */
export const isOAuthPath = (path: string): boolean => /^\/(oauth|\.well-known)\//.test(path);

/** Operations of the API in the OpenAPI document, by method and path, such as `GET /api/v1/sync.json`. */
export const apiOperations = <T>({ paths }: { paths: Record<string, Record<string, T>> }): Map<string, T> =>
  new Map(
    Object.entries(paths)
      .filter(([path]) => !isOAuthPath(path))
      .flatMap(([path, methods]) =>
        Object.entries(methods).map(
          ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const,
        ),
      ),
  );
