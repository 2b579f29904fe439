-- The database of a hub: a role for each account of a daemon, the database, and what each may do in it.
-- For psql, as a superuser. `sysmonctl install` runs it, and on NixOS postgresql-setup.service after each start: what is
-- there already stays. It is no migration: those are the numbered files, which sysmon-aggregatord applies by itself.
\set ON_ERROR_STOP on
\set QUIET on

SELECT format('CREATE ROLE %I LOGIN', account)
FROM unnest(ARRAY['sysmon-aggregatord', 'sysmon-gatewayd', 'sysmon-alertd']) AS account
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = account)
\gexec

SELECT 'CREATE DATABASE sysmon OWNER "sysmon-aggregatord" ENCODING ''UTF8'' TEMPLATE template0'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'sysmon')
\gexec

\connect sysmon

SELECT
    'timescaledb' = ANY (regexp_split_to_array(current_setting('shared_preload_libraries'), '\s*,\s*')) AS is_loaded,
    EXISTS (
        SELECT FROM pg_available_extensions
        WHERE name = 'timescaledb' AND installed_version <> default_version
    ) AS is_outdated
\gset
\if :is_loaded
    \if :is_outdated
        -- A session that has used the old one cannot exchange it.
        \connect sysmon
        ALTER EXTENSION timescaledb UPDATE;
    \endif
    SET client_min_messages = warning;
    CREATE EXTENSION IF NOT EXISTS timescaledb;
\endif

-- Of the tables that sysmon-aggregatord makes, those that are there and those to come: sysmon-gatewayd reads them, and
-- nothing else on this server, where others may have databases too. sysmon-alertd writes into them.
ALTER DEFAULT PRIVILEGES FOR ROLE "sysmon-aggregatord" IN SCHEMA public GRANT SELECT ON TABLES TO "sysmon-gatewayd";
GRANT SELECT ON ALL TABLES IN SCHEMA public TO "sysmon-gatewayd";
ALTER DEFAULT PRIVILEGES FOR ROLE "sysmon-aggregatord" IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "sysmon-alertd";
ALTER DEFAULT PRIVILEGES FOR ROLE "sysmon-aggregatord" IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO "sysmon-alertd";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "sysmon-alertd";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "sysmon-alertd";
