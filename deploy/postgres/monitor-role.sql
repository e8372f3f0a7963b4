-- The role of the exporter (docker-compose.yml), which may be told of again.
\set ON_ERROR_STOP on
\set password `cat /run/secrets/monitor_password`
SELECT 'CREATE ROLE veche_monitor LOGIN'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'veche_monitor') \gexec
ALTER ROLE veche_monitor PASSWORD :'password';
GRANT pg_monitor TO veche_monitor;
