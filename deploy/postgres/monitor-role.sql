-- The exporter's role (docker-compose.yml). This file can be run again at any time.
\set ON_ERROR_STOP on
\set password `cat /run/secrets/monitor_password`
SELECT 'CREATE ROLE veche_monitor LOGIN'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'veche_monitor') \gexec
ALTER ROLE veche_monitor PASSWORD :'password';
GRANT pg_monitor TO veche_monitor;
