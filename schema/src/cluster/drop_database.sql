DROP DATABASE IF EXISTS {database:Identifier}$on_cluster SYNC
