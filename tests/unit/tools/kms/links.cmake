find_package(SQLite3 REQUIRED)  # tests alter the file behind the store's back
set(area_libraries kms_library kms_store_library SQLite::SQLite3)
set(area_timeout 600)  # half a minute on PostgreSQL
