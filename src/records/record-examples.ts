/** Request body of POST: the example of spec/records-api.md, and one with every field. */
export const CREATE_EXAMPLES = {
  featureFlag: {
    summary: 'State of a feature flag',
    value: {
      developerId: 'dev-789',
      resourceType: 'FEATURE_FLAG_STATE',
      resourceKey: 'flag-migration-v2',
      data: {
        enabled: false,
        lastToggle: '2025-12-01T11:00:00Z',
        notes: 'Initial state for migration flag.',
      },
    },
  },
  route: {
    summary: 'Route, with every field',
    value: {
      developerId: 'dev-789',
      resourceType: 'ROUTE',
      resourceKey: 'coast-loop',
      data: { distance_km: 42 },
      status: 'PENDING_UPDATE',
      metadata: { source: 'import' },
    },
  },
};

/** Request body of PATCH: the example of spec/records-api.md. */
export const UPDATE_EXAMPLES = {
  data: {
    summary: 'Updating the sync data',
    value: {
      data: { enabled: true, lastToggle: '2025-12-01T12:00:00Z' },
      status: 'PENDING_SYNC_CONFIRMATION',
    },
  },
};
