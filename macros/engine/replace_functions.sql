{#- PostgreSQL functions that put a new relation in the place of an old one without losing what depends on it
    (docs/engines.md, "Replacing tables on PostgreSQL"). They live in the warehouse, because only there an error can
    be caught inside a transaction; `mbp degrade` calls them too. -#}
{% macro replace_functions() -%}
    {{- return([
        fn_views_on(), fn_description_of(), fn_restore(), fn_hold(), fn_with_views(), fn_carry_over(), fn_is_pinned(), fn_replace_rows(),
        fn_same_view(), fn_drop_unused(), fn_take_place(), fn_replace_relation()
    ]) -}}
{%- endmacro %}

{#- Every view that reads a relation, directly (depth 1) or through other views (its longest way). -#}
{% macro fn_views_on() -%}
create or replace function snapshot.views_on(relation oid) returns table (view_id oid, depth integer)
language sql stable set search_path = pg_catalog, pg_temp as $body$
    with recursive above as (
        select relation as view_id, 0 as depth
        union
        select pg_rewrite.ev_class, above.depth + 1
        from above
        inner join pg_depend on pg_depend.refobjid = above.view_id
        inner join pg_rewrite on pg_rewrite.oid = pg_depend.objid
        where pg_depend.refclassid = 'pg_class'::regclass
        and pg_depend.classid = 'pg_rewrite'::regclass
        and pg_rewrite.ev_class <> above.view_id
    )
    select above.view_id, max(above.depth) from above where above.depth > 0 group by above.view_id
$body$
{%- endmacro %}

{#- All that has to be the same again when a relation of this name is created again. Names come out qualified, whichever role asks:
    the search path is empty. -#}
{% macro fn_description_of() -%}
create or replace function snapshot.description_of(relation oid) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $body$
    select jsonb_build_object(
        'id', pg_class.oid, 'name', format('%I.%I', pg_namespace.nspname, pg_class.relname),
        'plain_name', pg_namespace.nspname || '.' || pg_class.relname,
        'owner', pg_class.relowner::regrole::text,
        'options', ' with (' || array_to_string(pg_class.reloptions, ', ') || ')',
        'definition', case when pg_class.relkind = 'v' then rtrim(pg_get_viewdef(pg_class.oid), '; ') end,
        'grants', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'privilege', granted.privilege_type || coalesce(' (' || quote_ident(every.attname) || ')', ''),
                'grantee', case granted.grantee when 0 then 'public' else granted.grantee::regrole::text end,
                'suffix', case when granted.is_grantable then ' with grant option' else '' end
            )), '[]')
            from (
                select pg_class.relacl as acl, null as attname
                union all
                select attacl, attname from pg_attribute where attrelid = relation and attacl is not null
            ) as every, aclexplode(every.acl) as granted
        ),
        'comments', (
            select coalesce(jsonb_agg(jsonb_build_object('column', attname, 'words', description)), '[]')
            from pg_description
            left join pg_attribute on attrelid = relation and attnum = objsubid and objsubid > 0
            where pg_description.objoid = relation and pg_description.classoid = 'pg_class'::regclass
        )
    )
    from pg_class inner join pg_namespace on pg_namespace.oid = pg_class.relnamespace where pg_class.oid = relation
$body$
{%- endmacro %}

{#- Owner, privileges and comments of a description on another relation: those, and no others. Default privileges may
    have given more than the old one had. -#}
{% macro fn_restore() -%}
create or replace function snapshot.restore(described jsonb, relation oid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $body$
declare
    place text := snapshot.description_of(relation) ->> 'name';
    kind text := case (select relkind from pg_class where oid = relation) when 'v' then 'view' else 'table' end;
    item record;
begin
    for item in
        select distinct case grantee when 0 then 'public' else grantee::regrole::text end as grantee
        from pg_class, aclexplode(relacl) where oid = relation and grantee <> relowner
    loop
        execute format('revoke all on %s from %s', place, item.grantee);
    end loop;
    for item in select * from jsonb_to_recordset(described -> 'grants') as (privilege text, grantee text, suffix text) loop
        continue when item.grantee = described ->> 'owner';
        begin
            execute format('grant %s on %s to %s%s', item.privilege, place, item.grantee, item.suffix);
        exception when undefined_column then null;
        end;
    end loop;
    for item in select * from jsonb_to_recordset(described -> 'comments') as ("column" text, words text) loop
        if item."column" is null then
            execute format('comment on %s %s is %L', kind, place, item.words);
        elsif exists (select from pg_attribute where attrelid = relation and attname = item."column") then
            execute format('comment on column %s.%I is %L', place, item."column", item.words);
        end if;
    end loop;
    if snapshot.description_of(relation) ->> 'owner' <> described ->> 'owner' then
        execute format('alter %s %s owner to %s', kind, place, described ->> 'owner');
    end if;
end $body$
{%- endmacro %}

{#- Takes relations away from readers until the end of the transaction; with `and_views` the first one and the views on it,
    which only stay the same once we have the lock of exchanges. A reader that waits for us longer than
    `deadlock_timeout`, while we wait for it, would be killed: all is taken within half of that, or given back and tried again.
    Readers that hold one view while they queue for another behind us are why most tries are short, and why the order changes:
    none suits every transaction of readers. A try in 16 waits for a long query, longer each time. The number is that of
    one_swap_at_a_time and of mbp.operate.degrade.reader_views. `alter view` to its own owner locks this one view; `lock table` would
    lock all that it reads. -#}
{% macro fn_hold() -%}
create or replace function snapshot.hold(relations oid[], patience interval, and_views boolean) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $body$
declare
    deadline timestamptz := clock_timestamp() + patience;
    longest double precision := (select setting::double precision / 2 from pg_settings where name = 'deadlock_timeout');
    own_timeout text := current_setting('lock_timeout');
    attempt integer := 0; budget double precision; until timestamptz; item record;
begin
    loop
        begin
            perform set_config('lock_timeout', '2s', true);
            perform pg_advisory_xact_lock(4106111);
            budget := greatest(5, longest * random() ^ 3);
            perform set_config('lock_timeout', case attempt % 16 when 15
                then least(30, (attempt + 1) / 8) || 's' else ceil(budget) || 'ms' end, true);
            until := null;
            for item in select pg_class.oid::regclass as name, relowner::regrole as owner, relkind = 'v' as is_view
                from unnest(case when and_views then snapshot.with_views(relations[1]) else relations end)
                with ordinality as wanted (id, place)
                inner join pg_class on pg_class.oid = wanted.id
                order by 3 desc, case attempt when 0 then place else random() end
            loop
                execute format(case when item.is_view then 'alter view %s owner to %s'
                    else 'lock table %s in access exclusive mode' end, item.name, item.owner);
                until := coalesce(until, clock_timestamp() + budget * interval '1 ms');
                perform set_config('lock_timeout', ceil(greatest(
                    1, extract(epoch from until - clock_timestamp()) * 1000
                )) || 'ms', true);
            end loop;
            perform set_config('lock_timeout', own_timeout, true);
            return;
        exception when lock_not_available or deadlock_detected then
            if clock_timestamp() > deadline then raise; end if;
        end;
        attempt := attempt + 1;
        perform pg_sleep(0.01 + random() * 0.05);
    end loop;
end $body$
{%- endmacro %}

{#- A relation and the views on it that we may redefine, the topmost first: as a query takes them. -#}
{% macro fn_with_views() -%}
create or replace function snapshot.with_views(relation oid) returns oid[]
language sql stable set search_path = pg_catalog, pg_temp as $body$
    select array_agg(pg_class.oid order by found.depth desc, pg_class.oid)
    from (select relation as view_id, 0 as depth union all select * from snapshot.views_on(relation)) as found
    inner join pg_class on pg_class.oid = found.view_id
    where pg_class.relkind in ('v', 'r', 'p') and pg_has_role(pg_class.relowner, 'usage')
$body$
{%- endmacro %}

{#- Points one view at what now has the name of the relation that it read. `views` are the descriptions of all views on the
    old relation, made before it was renamed. Returns why it cannot be done; then nothing was. -#}
{% macro fn_carry_over() -%}
create or replace function snapshot.carry_over(one jsonb, views jsonb) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $body$
declare item jsonb;
begin
    if one ->> 'definition' is null then return 'it is a materialized view'; end if;
    begin
        execute format('create or replace view %s%s as %s', one ->> 'name', one ->> 'options', one ->> 'definition');
        return null;
    exception
        when invalid_table_definition then null;
        when others then return sqlerrm;
    end;
    -- It has other columns than before, so it is created again, and with it the views on it.
    for item in
        select described from jsonb_array_elements(views) as described
        left join snapshot.views_on((one ->> 'id')::oid) as found on found.view_id = (described ->> 'id')::oid
        where found.view_id is not null or described ->> 'id' = one ->> 'id'
        order by coalesce(found.depth, 0) desc
    loop
        execute format('drop view %s', item ->> 'name');
    end loop;
    for item in
        select described from jsonb_array_elements(views) as described
        where to_regclass(described ->> 'name') is null
        order by (described ->> 'depth')::integer
    loop
        execute format('create view %s%s as %s', item ->> 'name', item ->> 'options', item ->> 'definition');
        perform snapshot.restore(item, to_regclass(item ->> 'name'));
    end loop;
    return null;
exception when others then return sqlerrm;
end $body$
{%- endmacro %}

{#- Whether something hangs on the table itself that would not come along: a view of an owner whose views we may not
    redefine, a materialized view, a foreign key, a function, a publication, a policy, a trigger. -#}
{% macro fn_is_pinned() -%}
create or replace function snapshot.is_pinned(relation oid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $body$
    select exists (
        select from pg_depend
        left join pg_rewrite on pg_depend.classid = 'pg_rewrite'::regclass and pg_rewrite.oid = pg_depend.objid
        left join pg_class on pg_class.oid = pg_rewrite.ev_class
        where pg_depend.refclassid = 'pg_class'::regclass and pg_depend.refobjid = relation
        and case
            when pg_class.oid is not null
                then pg_class.oid <> relation
                and (pg_class.relkind <> 'v' or not pg_has_role(pg_class.relowner, 'usage'))
            when pg_depend.classid in ('pg_publication_rel'::regclass, 'pg_policy'::regclass) then true
            when pg_depend.classid = 'pg_trigger'::regclass
                then exists (select from pg_trigger where oid = pg_depend.objid and not tgisinternal)
            else pg_depend.deptype = 'n'
        end
    )
$body$
{%- endmacro %}

{#- New rows in a table that has to stay: readers see the old ones until the end of the transaction, and wait for nothing. -#}
{% macro fn_replace_rows() -%}
create or replace function snapshot.replace_rows(fresh oid, old oid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $body$
declare
    names text[];
    shapes text[];
begin
    select array_agg(shape) into shapes from (
        select string_agg(
            format('%I %s%s', attname, format_type(atttypid, atttypmod), case when attnotnull then ' not null' else '' end),
            ', ' order by attname
        ) as shape
        from pg_attribute where attrelid in (fresh, old) and attnum > 0 and not attisdropped group by attrelid
    ) as both_of_them;
    if shapes[1] <> shapes[2] or (select relkind from pg_class where oid = fresh) <> 'r' then
        raise exception '% cannot get another shape: something depends on it that this role cannot make anew', old::regclass
        using errcode = 'dependent_objects_still_exist',
        hint = 'its owner drops it (views of others, materialized views, keys, publications, policies, triggers) first';
    end if;
    select array_agg(quote_ident(attname)) into names
    from pg_attribute where attrelid = old and attnum > 0 and not attisdropped;
    execute format('delete from %s', old::regclass);
    execute format(
        'insert into %s (%s) select %2$s from %3$s', old::regclass, array_to_string(names, ', '), fresh::regclass
    );
    execute format('drop table %s', fresh::regclass);
end $body$
{%- endmacro %}

{#- Whether two views are one: the same words about the very same relations. -#}
{% macro fn_same_view() -%}
create or replace function snapshot.same_view(one oid, other oid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $body$
    with reads as (
        select distinct pg_rewrite.ev_class, pg_depend.refclassid, pg_depend.refobjid, pg_depend.refobjsubid
        from pg_rewrite
        inner join pg_depend on pg_depend.classid = 'pg_rewrite'::regclass and pg_depend.objid = pg_rewrite.oid
        where pg_rewrite.ev_class in (one, other) and pg_depend.refobjid <> pg_rewrite.ev_class
    )
    select pg_get_viewdef(one) = pg_get_viewdef(other) and not exists (
        select from reads group by refclassid, refobjid, refobjsubid having count(*) <> 2
    )
$body$
{%- endmacro %}

{#- Drops what was put aside for views that were not yet created again, once it has no reader. Such a relation has its own
    number in its name. One that a session holds is left for the next time. -#}
{% macro fn_drop_unused() -%}
create or replace function snapshot.drop_unused() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $body$
declare
    item record;
    own_timeout text := current_setting('lock_timeout');
begin
    perform set_config('lock_timeout', '100ms', true);
    for item in
        select oid, case relkind when 'v' then 'view' else 'table' end as kind from pg_class
        where relkind in ('r', 'v') and relname like '%\_\_replaced\_' || oid and pg_has_role(relowner, 'usage')
    loop
        begin
            execute format('drop %s %s', item.kind, item.oid::regclass);
        exception when dependent_objects_still_exist or lock_not_available then null;
        end;
    end loop;
    perform set_config('lock_timeout', own_timeout, true);
end $body$
{%- endmacro %}

{#- The swap itself. A view that cannot be carried over and is created again by this run (`rebuilt`) stays on the old relation
    until then; any other is an error, and with it nothing has happened. -#}
{% macro fn_take_place() -%}
create or replace function snapshot.take_place(fresh oid, old oid, rebuilt text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $body$
declare
    described jsonb := snapshot.description_of(old);
    name text := (select relname from pg_class where oid = old);
    suffix text := '__replaced_' || old;
    views jsonb := (
        select jsonb_agg(snapshot.description_of(view_id) || jsonb_build_object('depth', depth)) from snapshot.views_on(old)
    );
    item jsonb;
    problem text;
begin
    execute format('alter table %s rename to %I', old::regclass, left(name, 63 - length(suffix)) || suffix);
    execute format('alter table %s rename to %I', fresh::regclass, name);
    perform snapshot.restore(described, fresh);
    for item in
        select one from jsonb_array_elements(views) as one order by (one ->> 'depth')::integer, one ->> 'name'
    loop
        continue when not exists (
            select from pg_depend inner join pg_rewrite on pg_rewrite.oid = pg_depend.objid
            where pg_depend.refobjid = old and pg_rewrite.ev_class = to_regclass(item ->> 'name')
        );
        problem := snapshot.carry_over(item, views);
        if problem is not null and not item ->> 'plain_name' = any(rebuilt) then
            raise exception 'view % cannot read the new %: %', item ->> 'name', described ->> 'name', problem
            using errcode = 'dependent_objects_still_exist',
            hint = 'change or drop the view, or build it in the same run; nothing was replaced';
        end if;
    end loop;
end $body$
{%- endmacro %}

{#- The entry: `fresh` becomes `old`, with its views, privileges and comments. Returns how. -#}
{% macro fn_replace_relation() -%}
create or replace function snapshot.replace_relation(
    fresh_name text, old_name text, rebuilt text[], patience interval default '5 minutes'
) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $body$
declare
    fresh oid := fresh_name::regclass;
    old oid := old_name::regclass;
    kinds text := concat(
        (select relkind from pg_class where oid = fresh), (select relkind from pg_class where oid = old)
    );
begin
    if kinds = 'vv' and snapshot.same_view(fresh, old) then
        execute format('drop view %s', fresh::regclass);
        return 'the same';
    elsif kinds like '_r' and snapshot.is_pinned(old) then
        perform snapshot.replace_rows(fresh, old);
        return 'rows';
    end if;
    perform snapshot.hold(array[old], patience, true);
    if kinds = 'vv' then
        begin
            execute format(
                'create or replace view %s%s as %s', old::regclass, snapshot.description_of(old) ->> 'options',
                snapshot.description_of(fresh) ->> 'definition'
            );
            execute format('drop view %s', fresh::regclass);
            perform snapshot.drop_unused();
            return 'redefined';
        exception when invalid_table_definition then null;
        end;
    end if;
    perform snapshot.take_place(fresh, old, rebuilt);
    perform snapshot.drop_unused();
    return 'swapped';
end $body$
{%- endmacro %}
