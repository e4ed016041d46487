-- The roles of Carthub's database, made once by its administrator. psql's variable app_password is
-- the password in the secret. The rotation makes the second login, carthub_app_clone, by itself.
CREATE ROLE carthub_owner NOLOGIN;
CREATE ROLE carthub_app LOGIN PASSWORD :'app_password';
GRANT carthub_owner TO carthub_app;
GRANT USAGE, CREATE ON SCHEMA public TO carthub_owner;
