"""The SDK: `Roost` asks the platform over HTTP; `RoostCluster` is a Dask cluster on it."""
