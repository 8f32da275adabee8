SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.daily (
    namespace bigint NOT NULL,
    day integer NOT NULL,
    item bigint NOT NULL,
    positives integer NOT NULL,
    events integer NOT NULL
);
CREATE TABLE public.events (
    key bigint NOT NULL,
    namespace bigint NOT NULL,
    "user" bigint NOT NULL,
    item bigint,
    kind character varying NOT NULL COLLATE pg_catalog."C",
    value double precision,
    "time" bigint NOT NULL,
    received bigint NOT NULL,
    event_id character varying NOT NULL COLLATE pg_catalog."C",
    list_id bytea,
    place integer,
    source character varying COLLATE pg_catalog."C",
    withdraws bigint
);
CREATE SEQUENCE public.events_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_key_seq OWNED BY public.events.key;
CREATE TABLE public.item_words (
    namespace bigint NOT NULL,
    word character varying NOT NULL COLLATE pg_catalog."C",
    item bigint NOT NULL
);
CREATE TABLE public.items (
    key bigint NOT NULL,
    namespace bigint NOT NULL,
    id character varying NOT NULL COLLATE pg_catalog."C",
    attributes text NOT NULL,
    hidden boolean NOT NULL,
    described boolean NOT NULL,
    deleted boolean NOT NULL,
    changed bigint NOT NULL,
    created bigint NOT NULL,
    updated bigint NOT NULL
);
CREATE SEQUENCE public.items_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.items_key_seq OWNED BY public.items.key;
CREATE TABLE public.jobs (
    key bigint NOT NULL,
    namespace bigint NOT NULL,
    kind character varying NOT NULL,
    state character varying NOT NULL,
    progress double precision NOT NULL,
    created bigint NOT NULL,
    started bigint,
    ended bigint,
    details text NOT NULL,
    log text NOT NULL
);
CREATE SEQUENCE public.jobs_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.jobs_key_seq OWNED BY public.jobs.key;
CREATE TABLE public.keys (
    key bigint NOT NULL,
    namespace bigint NOT NULL,
    name character varying NOT NULL COLLATE pg_catalog."C",
    role character varying NOT NULL,
    prefix character varying NOT NULL,
    hash bytea NOT NULL,
    created bigint NOT NULL,
    revoked bigint
);
CREATE SEQUENCE public.keys_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.keys_key_seq OWNED BY public.keys.key;
CREATE TABLE public.list_pages (
    key bigint NOT NULL,
    namespace bigint NOT NULL,
    list bigint NOT NULL,
    "time" bigint NOT NULL,
    first integer NOT NULL,
    shown bytea NOT NULL
);
CREATE SEQUENCE public.list_pages_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.list_pages_key_seq OWNED BY public.list_pages.key;
CREATE TABLE public.lists (
    key bigint NOT NULL,
    namespace bigint NOT NULL,
    list_id bytea NOT NULL,
    "user" bigint,
    "time" bigint NOT NULL,
    policy character varying NOT NULL,
    version bigint,
    arm character varying,
    request text,
    shown bytea NOT NULL,
    ranked bytea
);
CREATE SEQUENCE public.lists_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.lists_key_seq OWNED BY public.lists.key;
CREATE TABLE public.meta (
    key integer NOT NULL,
    secret bytea NOT NULL,
    keys_changes bigint NOT NULL,
    created bigint NOT NULL
);
CREATE SEQUENCE public.meta_key_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.meta_key_seq OWNED BY public.meta.key;
CREATE TABLE public.namespaces (
    key bigint NOT NULL,
    name character varying NOT NULL COLLATE pg_catalog."C",
    id_kind character varying NOT NULL,
    kinds text NOT NULL,
    settings text NOT NULL,
    changes bigint NOT NULL,
    catalogue bigint NOT NULL,
    created bigint NOT NULL
);
CREATE SEQUENCE public.namespaces_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.namespaces_key_seq OWNED BY public.namespaces.key;
CREATE TABLE public.tombstones (
    key bigint NOT NULL,
    namespace bigint NOT NULL,
    side character varying NOT NULL,
    digest bytea NOT NULL,
    "time" bigint NOT NULL
);
CREATE SEQUENCE public.tombstones_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tombstones_key_seq OWNED BY public.tombstones.key;
CREATE TABLE public.users (
    key bigint NOT NULL,
    namespace bigint NOT NULL,
    id character varying NOT NULL COLLATE pg_catalog."C",
    attributes text NOT NULL,
    counter bigint NOT NULL,
    last_event bigint NOT NULL,
    hidden boolean NOT NULL,
    created bigint NOT NULL,
    updated bigint NOT NULL,
    merged_into bigint
);
CREATE SEQUENCE public.users_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.users_key_seq OWNED BY public.users.key;
CREATE TABLE public.versions (
    key bigint NOT NULL,
    namespace bigint NOT NULL,
    number integer NOT NULL,
    model character varying NOT NULL,
    digest bytea NOT NULL,
    state character varying NOT NULL,
    trained bigint NOT NULL,
    newest_event bigint,
    trained_to bigint,
    activated bigint,
    details text NOT NULL
);
CREATE SEQUENCE public.versions_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.versions_key_seq OWNED BY public.versions.key;
ALTER TABLE ONLY public.events ALTER COLUMN key SET DEFAULT nextval('public.events_key_seq'::regclass);
ALTER TABLE ONLY public.items ALTER COLUMN key SET DEFAULT nextval('public.items_key_seq'::regclass);
ALTER TABLE ONLY public.jobs ALTER COLUMN key SET DEFAULT nextval('public.jobs_key_seq'::regclass);
ALTER TABLE ONLY public.keys ALTER COLUMN key SET DEFAULT nextval('public.keys_key_seq'::regclass);
ALTER TABLE ONLY public.list_pages ALTER COLUMN key SET DEFAULT nextval('public.list_pages_key_seq'::regclass);
ALTER TABLE ONLY public.lists ALTER COLUMN key SET DEFAULT nextval('public.lists_key_seq'::regclass);
ALTER TABLE ONLY public.meta ALTER COLUMN key SET DEFAULT nextval('public.meta_key_seq'::regclass);
ALTER TABLE ONLY public.namespaces ALTER COLUMN key SET DEFAULT nextval('public.namespaces_key_seq'::regclass);
ALTER TABLE ONLY public.tombstones ALTER COLUMN key SET DEFAULT nextval('public.tombstones_key_seq'::regclass);
ALTER TABLE ONLY public.users ALTER COLUMN key SET DEFAULT nextval('public.users_key_seq'::regclass);
ALTER TABLE ONLY public.versions ALTER COLUMN key SET DEFAULT nextval('public.versions_key_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('2');
INSERT INTO public.daily VALUES (1, 0, 1, 2, 2);
INSERT INTO public.daily VALUES (2, 0, 3, 1, 1);
INSERT INTO public.daily VALUES (1, -1000000000, 1, 2, 2);
INSERT INTO public.daily VALUES (2, -1000000000, 3, 1, 1);
INSERT INTO public.events VALUES (1, 1, 1, 1, 'rating', 4.5, 5, 9, 'e1', NULL, NULL, 'shop', NULL);
INSERT INTO public.events VALUES (2, 1, 1, 1, 'impression', NULL, 6, 9, 'e2', '\x0190abababababababababababababab', 1, 'shop', NULL);
INSERT INTO public.events VALUES (3, 1, 2, 2, 'click', NULL, 86400000001, 9, 'e3', NULL, NULL, 'shop', NULL);
INSERT INTO public.events VALUES (4, 1, 1, 1, 'purchase', NULL, 7, 9, 'e4', NULL, NULL, 'shop', NULL);
INSERT INTO public.events VALUES (5, 2, 4, 3, 'click', NULL, 8, 9, 'e1', NULL, NULL, 'shop', NULL);
INSERT INTO public.events VALUES (6, 1, 2, NULL, 'undo', NULL, 86400000002, 9, 'e5', NULL, NULL, NULL, 3);
INSERT INTO public.item_words VALUES (1, 'tea', 1);
INSERT INTO public.items VALUES (1, 1, 'tea', '{"title":"Tea"}', false, true, false, 1, 1, 1);
INSERT INTO public.items VALUES (2, 1, 'milk', '{}', false, false, false, 2, 1, 1);
INSERT INTO public.items VALUES (3, 2, '7', '{}', false, false, false, 1, 1, 1);
INSERT INTO public.jobs VALUES (1, 1, 'train', 'done', 1, 1, 2, 3, '{}', '');
INSERT INTO public.jobs VALUES (2, 1, 'scrub', 'running', 1, 1, 2, NULL, '{}', '');
INSERT INTO public.keys VALUES (1, 1, 'web', 'write', 'abc', '\x0000000000000000000000000000000000000000000000000000000000000000', 1, NULL);
INSERT INTO public.list_pages VALUES (1, 1, 1, 6, 11, '\x010100');
INSERT INTO public.lists VALUES (1, 1, '\x0190abababababababababababababab', 1, 5, 'model', 1, NULL, NULL, '\x010100', NULL);
INSERT INTO public.meta VALUES (1, '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 0, 1);
INSERT INTO public.namespaces VALUES (1, 'default', 'text', '{}', '{}', 0, 2, 1);
INSERT INTO public.namespaces VALUES (2, 'shop', 'integer', '{}', '{}', 0, 2, 1);
INSERT INTO public.tombstones VALUES (1, 1, 'user', '\x0000000000000000000000000000000000000000000000000000000000000000', 4);
INSERT INTO public.users VALUES (1, 1, 'ann', '{"age":31}', 3, 4, false, 1, 1, NULL);
INSERT INTO public.users VALUES (2, 1, 'älva', '{}', 1, 3, false, 1, 1, NULL);
INSERT INTO public.users VALUES (3, 1, 'visitor', '{}', 1, 4, false, 1, 1, 1);
INSERT INTO public.users VALUES (4, 2, '1', '{}', 1, 5, false, 1, 1, NULL);
INSERT INTO public.versions VALUES (1, 1, 1, 'ials', '\x0000000000000000000000000000000000000000000000000000000000000000', 'active', 5, 4, 1, 6, '{}');
SELECT pg_catalog.setval('public.events_key_seq', 6, true);
SELECT pg_catalog.setval('public.items_key_seq', 3, true);
SELECT pg_catalog.setval('public.jobs_key_seq', 2, true);
SELECT pg_catalog.setval('public.keys_key_seq', 1, true);
SELECT pg_catalog.setval('public.list_pages_key_seq', 1, true);
SELECT pg_catalog.setval('public.lists_key_seq', 1, true);
SELECT pg_catalog.setval('public.meta_key_seq', 1, false);
SELECT pg_catalog.setval('public.namespaces_key_seq', 2, true);
SELECT pg_catalog.setval('public.tombstones_key_seq', 1, true);
SELECT pg_catalog.setval('public.users_key_seq', 4, true);
SELECT pg_catalog.setval('public.versions_key_seq', 1, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.daily
    ADD CONSTRAINT pk_daily PRIMARY KEY (namespace, day, item);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT pk_events PRIMARY KEY (key);
ALTER TABLE ONLY public.item_words
    ADD CONSTRAINT pk_item_words PRIMARY KEY (namespace, word, item);
ALTER TABLE ONLY public.items
    ADD CONSTRAINT pk_items PRIMARY KEY (key);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT pk_jobs PRIMARY KEY (key);
ALTER TABLE ONLY public.keys
    ADD CONSTRAINT pk_keys PRIMARY KEY (key);
ALTER TABLE ONLY public.list_pages
    ADD CONSTRAINT pk_list_pages PRIMARY KEY (key);
ALTER TABLE ONLY public.lists
    ADD CONSTRAINT pk_lists PRIMARY KEY (key);
ALTER TABLE ONLY public.meta
    ADD CONSTRAINT pk_meta PRIMARY KEY (key);
ALTER TABLE ONLY public.namespaces
    ADD CONSTRAINT pk_namespaces PRIMARY KEY (key);
ALTER TABLE ONLY public.tombstones
    ADD CONSTRAINT pk_tombstones PRIMARY KEY (key);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (key);
ALTER TABLE ONLY public.versions
    ADD CONSTRAINT pk_versions PRIMARY KEY (key);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT uq_events_namespace_event_id UNIQUE (namespace, event_id);
ALTER TABLE ONLY public.items
    ADD CONSTRAINT uq_items_namespace_id UNIQUE (namespace, id);
ALTER TABLE ONLY public.keys
    ADD CONSTRAINT uq_keys_hash UNIQUE (hash);
ALTER TABLE ONLY public.keys
    ADD CONSTRAINT uq_keys_prefix UNIQUE (prefix);
ALTER TABLE ONLY public.lists
    ADD CONSTRAINT uq_lists_list_id UNIQUE (list_id);
ALTER TABLE ONLY public.namespaces
    ADD CONSTRAINT uq_namespaces_name UNIQUE (name);
ALTER TABLE ONLY public.tombstones
    ADD CONSTRAINT uq_tombstones_namespace_side_digest UNIQUE (namespace, side, digest);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_namespace_id UNIQUE (namespace, id);
ALTER TABLE ONLY public.versions
    ADD CONSTRAINT uq_versions_namespace_number UNIQUE (namespace, number);
CREATE INDEX ix_events_user ON public.events USING btree ("user");
CREATE INDEX ix_events_withdraws ON public.events USING btree (withdraws) WHERE (withdraws IS NOT NULL);
CREATE INDEX ix_item_words_item ON public.item_words USING btree (item);
CREATE INDEX ix_items_namespace_changed ON public.items USING btree (namespace, changed);
CREATE INDEX ix_list_pages_list ON public.list_pages USING btree (list);
CREATE INDEX ix_lists_user ON public.lists USING btree ("user");
CREATE INDEX ix_users_merged_into ON public.users USING btree (merged_into);
ALTER TABLE ONLY public.daily
    ADD CONSTRAINT fk_daily_item FOREIGN KEY (item) REFERENCES public.items(key);
ALTER TABLE ONLY public.daily
    ADD CONSTRAINT fk_daily_namespace FOREIGN KEY (namespace) REFERENCES public.namespaces(key);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT fk_events_item FOREIGN KEY (item) REFERENCES public.items(key);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT fk_events_namespace FOREIGN KEY (namespace) REFERENCES public.namespaces(key);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT fk_events_user FOREIGN KEY ("user") REFERENCES public.users(key);
ALTER TABLE ONLY public.item_words
    ADD CONSTRAINT fk_item_words_item FOREIGN KEY (item) REFERENCES public.items(key);
ALTER TABLE ONLY public.item_words
    ADD CONSTRAINT fk_item_words_namespace FOREIGN KEY (namespace) REFERENCES public.namespaces(key);
ALTER TABLE ONLY public.items
    ADD CONSTRAINT fk_items_namespace FOREIGN KEY (namespace) REFERENCES public.namespaces(key);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT fk_jobs_namespace FOREIGN KEY (namespace) REFERENCES public.namespaces(key);
ALTER TABLE ONLY public.keys
    ADD CONSTRAINT fk_keys_namespace FOREIGN KEY (namespace) REFERENCES public.namespaces(key);
ALTER TABLE ONLY public.list_pages
    ADD CONSTRAINT fk_list_pages_list FOREIGN KEY (list) REFERENCES public.lists(key);
ALTER TABLE ONLY public.list_pages
    ADD CONSTRAINT fk_list_pages_namespace FOREIGN KEY (namespace) REFERENCES public.namespaces(key);
ALTER TABLE ONLY public.lists
    ADD CONSTRAINT fk_lists_namespace FOREIGN KEY (namespace) REFERENCES public.namespaces(key);
ALTER TABLE ONLY public.lists
    ADD CONSTRAINT fk_lists_user FOREIGN KEY ("user") REFERENCES public.users(key);
ALTER TABLE ONLY public.lists
    ADD CONSTRAINT fk_lists_version FOREIGN KEY (version) REFERENCES public.versions(key);
ALTER TABLE ONLY public.tombstones
    ADD CONSTRAINT fk_tombstones_namespace FOREIGN KEY (namespace) REFERENCES public.namespaces(key);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT fk_users_merged_into FOREIGN KEY (merged_into) REFERENCES public.users(key);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT fk_users_namespace FOREIGN KEY (namespace) REFERENCES public.namespaces(key);
ALTER TABLE ONLY public.versions
    ADD CONSTRAINT fk_versions_namespace FOREIGN KEY (namespace) REFERENCES public.namespaces(key);
