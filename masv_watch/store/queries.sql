-- Every statement of the store, named. Parameters are :named; comments are stripped on loading.

-- name: is_adopted
SELECT 1 AS yes FROM roots WHERE hot_folder = :hot_folder AND path = :path;

-- name: adopt
--- what was noted of another path says nothing of this one
INSERT INTO roots (hot_folder, path, adopted_at) VALUES (:hot_folder, :path, :now)
ON CONFLICT (hot_folder) DO UPDATE SET path = excluded.path, adopted_at = excluded.adopted_at,
    marked = CASE WHEN path = excluded.path THEN marked ELSE 0 END,
    uuid = CASE WHEN path = excluded.path THEN uuid ELSE '' END,
    place = CASE WHEN path = excluded.path THEN place ELSE '' END,
    boot = CASE WHEN path = excluded.path THEN boot ELSE '' END;

-- name: root
SELECT * FROM roots WHERE hot_folder = :hot_folder;

-- name: note_root
UPDATE roots SET marked = :marked, uuid = :uuid, place = :place, boot = :boot, accepted = 0
WHERE hot_folder = :hot_folder;

-- name: accept_root
INSERT INTO roots (hot_folder, path, adopted_at, accepted) VALUES (:hot_folder, x'', :now, 1)
ON CONFLICT (hot_folder) DO UPDATE SET path = x'', marked = 0, uuid = '', place = '', boot = '',
    accepted = 1;

-- name: drop
SELECT * FROM drops WHERE id = :id;

-- name: latest_drop
SELECT * FROM drops WHERE hot_folder = :hot_folder AND path = :path
ORDER BY generation DESC LIMIT 1;

-- name: latest_drops
SELECT drops.* FROM json_each(:paths) AS wanted CROSS JOIN drops
WHERE drops.hot_folder = :hot_folder AND drops.path = CAST(wanted.value AS BLOB)
AND NOT EXISTS (SELECT 1 FROM drops AS later WHERE later.hot_folder = :hot_folder
    AND later.path = drops.path AND later.generation > drops.generation);

-- name: drops
SELECT * FROM drops WHERE (:hot_folder IS NULL OR hot_folder = :hot_folder)
AND (:living = 0 OR state IN ('settling', 'held', 'queued', 'taken')) ORDER BY id;

-- name: living_drops
SELECT * FROM drops WHERE hot_folder = :hot_folder
AND state IN ('settling', 'held', 'queued', 'taken') ORDER BY id;

-- name: living_paths
SELECT path FROM drops WHERE hot_folder = :hot_folder
AND state IN ('settling', 'held', 'queued', 'taken');

-- name: unsettled_paths
SELECT path FROM drops WHERE hot_folder = :hot_folder
AND state IN ('settling', 'held', 'queued', 'taken') AND (state <> 'taken' OR whole = 0);

-- name: judged_ahead
SELECT path FROM drops WHERE hot_folder = :hot_folder AND judged_at > :wall AND state = 'ignored'
AND NOT EXISTS (SELECT 1 FROM drops AS newer WHERE newer.hot_folder = drops.hot_folder
    AND newer.path = drops.path AND newer.generation > drops.generation);

-- name: ended_signatures
-- each span is the place of a path in all of them, from 1, and its length
SELECT drops.path, drops.signature FROM json_each(:spans) AS span CROSS JOIN drops
WHERE drops.hot_folder = :hot_folder
AND drops.path = substr(:paths, json_extract(span.value, '$[0]'), json_extract(span.value, '$[1]'))
AND drops.state IN ('done', 'superseded', 'duplicate', 'ignored')
AND drops.forgotten = 0 AND drops.signature <> ''
AND NOT EXISTS (SELECT 1 FROM drops AS newer WHERE newer.hot_folder = drops.hot_folder
    AND newer.path = drops.path AND newer.generation > drops.generation);

-- name: drops_of
SELECT * FROM drops WHERE upload_id = :upload_id ORDER BY id;

-- name: drops_held
SELECT * FROM drops WHERE state IN ('held', 'taken') AND hold = :hold AND (hot_folder = :hot_folder
    OR (hot_folder > :hot_folder || '@' AND hot_folder < :hot_folder || 'A')) ORDER BY id;

-- name: some_held
-- the states are named twice for the planner: those that live have an index
SELECT * FROM drops WHERE state IN ('settling', 'held', 'queued', 'taken') AND hold = :hold
AND (state = 'held' OR (state = 'taken' AND :with_taken = 1)) AND (hot_folder = :hot_folder
    OR (hot_folder > :hot_folder || '@' AND hot_folder < :hot_folder || 'A')) LIMIT :most;

-- name: some_asked_alike
SELECT * FROM drops WHERE state IN ('settling', 'held', 'queued', 'taken') AND hold = :hold
AND state IN ('held', 'taken') AND hot_folder = :hot_folder AND asked = :asked LIMIT :most;

-- name: drop_below
SELECT 1 AS yes FROM drops WHERE hot_folder = :hot_folder
AND (path = :path OR (path > :first AND path < :behind)) LIMIT 1;

-- name: unfound_drops
SELECT id, path FROM drops WHERE hot_folder = :hot_folder AND found_by IS NULL
AND state IN ('settling', 'held', 'queued', 'taken');

-- name: note_found
UPDATE drops SET found_by = :found_by WHERE id IN (SELECT value FROM json_each(:ids));

-- name: drops_in_root
SELECT * FROM drops WHERE state IN ('settling', 'held', 'queued', 'taken')
AND (hot_folder = :hot_folder
    OR (hot_folder > :hot_folder || '@' AND hot_folder < :hot_folder || 'A')) ORDER BY id;

-- name: delivered_before
SELECT count(*) AS number FROM uploads WHERE finalized_at IS NOT NULL AND id IN (
    SELECT upload_id FROM files WHERE drop_id IN (
        SELECT id FROM drops WHERE hot_folder = :hot_folder AND path = :path));

-- name: add_drop
INSERT INTO drops (hot_folder, path, generation, state, hold, held_at, signature, size, file_count,
    seen_at)
VALUES (:hot_folder, :path, :generation, :state, :hold,
    CASE WHEN :hold IS NOT NULL THEN :now END, :signature, :size, :file_count, :now)
RETURNING *;

-- name: see_first
INSERT INTO drops (hot_folder, path, generation, state, seen_at)
SELECT :hot_folder, :path, 1, 'settling', :now
WHERE NOT EXISTS (SELECT 1 FROM drops WHERE hot_folder = :hot_folder AND path = :path)
RETURNING *;

-- name: see_firsts
INSERT INTO drops (hot_folder, path, generation, state, seen_at)
SELECT DISTINCT :hot_folder, CAST(value AS BLOB), 1, 'settling', :now FROM json_each(:paths)
WHERE NOT EXISTS (
    SELECT 1 FROM drops WHERE hot_folder = :hot_folder AND path = CAST(value AS BLOB));

-- name: advance_drop
UPDATE drops SET state = :after, hold = :hold, note = :note, asked = :asked,
    held_at = CASE WHEN hold = :hold THEN held_at WHEN :hold IS NOT NULL THEN :now END
WHERE id = :id AND state = :before;

-- name: take_drop
UPDATE drops SET whole = 1, upload_id = :upload_id, signature = :signature, size = :size,
    file_count = :file_count, settled_at = :now WHERE id = :id;

-- name: begin_drop
UPDATE drops SET whole = 0, upload_id = :upload_id, signature = '', size = 0, file_count = 0,
    settled_at = NULL WHERE id = :id;

-- name: count_generation
UPDATE drops SET generation = generation + 1 WHERE id = :id;

-- name: waive_limit
UPDATE drops SET limit_waived = 1, waived = :waived, told_as = '' WHERE id = :id;

-- name: waive_lack
UPDATE drops SET lack_waived = 1, lack_shown = :shown, told_as = '' WHERE id = :id;

-- name: given_up
SELECT * FROM drops WHERE hot_folder = :hot_folder AND state = 'cancelled' AND settled_at IS NULL
AND upload_id IS NOT NULL
UNION SELECT * FROM drops WHERE hot_folder = :hot_folder AND state = 'cancelled'
AND settled_at IS NULL AND unwanted = 1 ORDER BY id;

-- name: note_unwanted
-- what was whole, or shown to a person, is known by its signature; all else by its name, until it
-- has settled
UPDATE drops SET unwanted = 1, cancelled_as = :sight, settled_at = CASE WHEN :was_whole = 1 THEN settled_at END,
    signature = CASE WHEN :is_known = 1 THEN signature ELSE '' END WHERE id = :id;

-- name: note_awaited
UPDATE drops SET note = :note WHERE id = :id AND state = 'settling';

-- name: note_given_up
UPDATE drops SET signature = :signature, settled_at = :now
WHERE id = :id AND state = 'cancelled' AND settled_at IS NULL;

-- name: files_up
SELECT drops.id AS drop_id, count(files.id) AS files, coalesce(sum(files.closed), 0) AS up
FROM drops JOIN files ON files.drop_id = drops.id AND files.upload_id = drops.upload_id
WHERE drops.id IN (SELECT id FROM drops WHERE state = 'taken' AND whole = 0
    UNION SELECT id FROM drops WHERE state = 'taken' AND hold IS NOT NULL)
GROUP BY drops.id;

-- name: held_drops
SELECT * FROM drops WHERE id IN (SELECT id FROM drops WHERE state = 'taken' AND hold IS NOT NULL)
AND NOT EXISTS (
    SELECT 1 FROM files WHERE upload_id = drops.upload_id AND closed = 0 AND stale = 0
    AND (drop_id IS NULL OR drop_id NOT IN (
        SELECT id FROM drops AS stopped WHERE stopped.upload_id = drops.upload_id
        AND stopped.state = 'taken' AND stopped.hold IS NOT NULL
        AND instr(:sends_on, ' ' || stopped.hold || ' ') = 0)))
ORDER BY id;

-- name: leave_upload
UPDATE drops SET whole = 0, upload_id = NULL WHERE id = :id;

-- name: forget_settled
-- what comes again under its path is new, also with the content of before
UPDATE drops SET settled_at = NULL WHERE id = :id;

-- name: unsettle_drop
UPDATE drops SET whole = 0, generation = generation + 1 WHERE id = :id;

-- name: upload
SELECT * FROM uploads WHERE id = :id;

-- name: uploads
SELECT * FROM uploads WHERE state NOT IN ('deleting', 'gone') ORDER BY created_at, id;

-- name: uploads_up
SELECT json_group_array(json_array(id, type, state, name, hot_folder, package_id, size, sent,
    file_count, priority, printf('%!.17g', created_at),
    iif(finalized_at IS NULL, NULL, printf('%!.17g', finalized_at)), printf('%!.17g', retry_at),
    error_code, error, resent, retries, retry_reason, started,
    iif(finalize_at IS NULL, NULL, printf('%!.17g', finalize_at)), batch, recall_s, recall_over,
    relinks, finalize_asked)) AS lines
FROM (SELECT * FROM (SELECT *, CASE :sort WHEN 'priority' THEN priority WHEN 'name' THEN name
    WHEN 'size' THEN size ELSE created_at END AS sorted FROM uploads
    WHERE CASE :states WHEN '' THEN state NOT IN ('deleting', 'gone')
        ELSE instr(:states, ' ' || state || ' ') > 0 END
    AND (:type IS NULL OR type = :type) AND (:hot_folder IS NULL OR hot_folder = :hot_folder)
    AND (:needle = '' OR instr(id, lower(:needle)) = 1
        OR id IN (SELECT value FROM json_each(:holders))
        OR ((:is_escaped = 1 OR name LIKE :plain ESCAPE '\' OR hot_folder LIKE :plain ESCAPE '\'
            OR terms LIKE :plain ESCAPE '\')
        AND EXISTS (SELECT 1 FROM (SELECT name AS word UNION ALL SELECT hot_folder
            UNION ALL SELECT json_extract(terms, '$.portal')
            UNION ALL SELECT value FROM json_each(terms, '$.recipients')
            UNION ALL SELECT value FROM json_each(terms, '$.mail_to'))
            WHERE word LIKE :plain ESCAPE '\' OR (:varies = 1 AND (word LIKE :large ESCAPE '\'
                OR word LIKE :first ESCAPE '\' OR word LIKE :apart ESCAPE '\')))))
    AND (:reader IS NULL OR (:reader = -1 AND hot_folder IS NOT NULL) OR (
        NOT EXISTS (SELECT 1 FROM files WHERE upload_id = uploads.id AND reader IS NOT :reader)
        AND EXISTS (SELECT 1 FROM files WHERE upload_id = uploads.id))))
WHERE :after_id = '' OR (sorted, id) > (:after, :after_id) ORDER BY sorted, id LIMIT :limit);

-- name: uploads_down
SELECT json_group_array(json_array(id, type, state, name, hot_folder, package_id, size, sent,
    file_count, priority, printf('%!.17g', created_at),
    iif(finalized_at IS NULL, NULL, printf('%!.17g', finalized_at)), printf('%!.17g', retry_at),
    error_code, error, resent, retries, retry_reason, started,
    iif(finalize_at IS NULL, NULL, printf('%!.17g', finalize_at)), batch, recall_s, recall_over,
    relinks, finalize_asked)) AS lines
FROM (SELECT * FROM (SELECT *, CASE :sort WHEN 'priority' THEN priority WHEN 'name' THEN name
    WHEN 'size' THEN size ELSE created_at END AS sorted FROM uploads
    WHERE CASE :states WHEN '' THEN state NOT IN ('deleting', 'gone')
        ELSE instr(:states, ' ' || state || ' ') > 0 END
    AND (:type IS NULL OR type = :type) AND (:hot_folder IS NULL OR hot_folder = :hot_folder)
    AND (:needle = '' OR instr(id, lower(:needle)) = 1
        OR id IN (SELECT value FROM json_each(:holders))
        OR ((:is_escaped = 1 OR name LIKE :plain ESCAPE '\' OR hot_folder LIKE :plain ESCAPE '\'
            OR terms LIKE :plain ESCAPE '\')
        AND EXISTS (SELECT 1 FROM (SELECT name AS word UNION ALL SELECT hot_folder
            UNION ALL SELECT json_extract(terms, '$.portal')
            UNION ALL SELECT value FROM json_each(terms, '$.recipients')
            UNION ALL SELECT value FROM json_each(terms, '$.mail_to'))
            WHERE word LIKE :plain ESCAPE '\' OR (:varies = 1 AND (word LIKE :large ESCAPE '\'
                OR word LIKE :first ESCAPE '\' OR word LIKE :apart ESCAPE '\')))))
    AND (:reader IS NULL OR (:reader = -1 AND hot_folder IS NOT NULL) OR (
        NOT EXISTS (SELECT 1 FROM files WHERE upload_id = uploads.id AND reader IS NOT :reader)
        AND EXISTS (SELECT 1 FROM files WHERE upload_id = uploads.id))))
WHERE :after_id = '' OR (sorted, id) < (:after, :after_id)
ORDER BY sorted DESC, id DESC LIMIT :limit);

-- name: uploads_latest
-- as the page lists them: out of the index in their order, so that it ends with its page
SELECT json_group_array(json_array(id, type, state, name, hot_folder, package_id, size, sent,
    file_count, priority, printf('%!.17g', created_at),
    iif(finalized_at IS NULL, NULL, printf('%!.17g', finalized_at)), printf('%!.17g', retry_at),
    error_code, error, resent, retries, retry_reason, started,
    iif(finalize_at IS NULL, NULL, printf('%!.17g', finalize_at)), batch, recall_s, recall_over,
    relinks, finalize_asked)) AS lines
FROM (SELECT * FROM uploads WHERE CASE :states WHEN '' THEN state NOT IN ('deleting', 'gone')
        ELSE instr(:states, ' ' || state || ' ') > 0 END
    AND (:type IS NULL OR type = :type) AND (:hot_folder IS NULL OR hot_folder = :hot_folder)
    AND (:needle = '' OR instr(id, lower(:needle)) = 1
        OR id IN (SELECT value FROM json_each(:holders))
        OR ((:is_escaped = 1 OR name LIKE :plain ESCAPE '\' OR hot_folder LIKE :plain ESCAPE '\'
            OR terms LIKE :plain ESCAPE '\')
        AND EXISTS (SELECT 1 FROM (SELECT name AS word UNION ALL SELECT hot_folder
            UNION ALL SELECT json_extract(terms, '$.portal')
            UNION ALL SELECT value FROM json_each(terms, '$.recipients')
            UNION ALL SELECT value FROM json_each(terms, '$.mail_to'))
            WHERE word LIKE :plain ESCAPE '\' OR (:varies = 1 AND (word LIKE :large ESCAPE '\'
                OR word LIKE :first ESCAPE '\' OR word LIKE :apart ESCAPE '\')))))
    AND (:reader IS NULL OR (:reader = -1 AND hot_folder IS NOT NULL) OR (
        NOT EXISTS (SELECT 1 FROM files WHERE upload_id = uploads.id AND reader IS NOT :reader)
        AND EXISTS (SELECT 1 FROM files WHERE upload_id = uploads.id)))
    AND (:after_id = '' OR (created_at, id) < (:after, :after_id))
    ORDER BY created_at DESC, id DESC LIMIT :limit);

-- name: name_behind
-- behind so many others in their order; none: fewer are left
SELECT name FROM files INDEXED BY files_by_name WHERE name COLLATE NOCASE > :after
ORDER BY name COLLATE NOCASE LIMIT 1 OFFSET :names;

-- name: files_named
-- the plus keeps the index of upload_id out, by which every row would be fetched
SELECT json_group_object(upload_id, name) AS found FROM (SELECT upload_id, min(name) AS name
    FROM files INDEXED BY files_by_name
    WHERE name COLLATE NOCASE > :after AND name COLLATE NOCASE <= :until
    AND (name LIKE :plain ESCAPE '\' OR (:varies = 1 AND (name LIKE :large ESCAPE '\'
        OR name LIKE :first ESCAPE '\' OR name LIKE :apart ESCAPE '\')))
    GROUP BY +upload_id);

-- name: consigned
SELECT json_group_object(id, json_array(json_extract(terms, '$.portal'),
    json_extract(terms, '$.recipients'), json_extract(terms, '$.mail_to'),
    json((SELECT json_group_array(id) FROM drops WHERE upload_id = uploads.id)))) AS found
FROM uploads WHERE id IN (SELECT value FROM json_each(:ids));

-- name: upload_states
SELECT state, count(*) AS uploads FROM uploads WHERE state NOT IN ('deleting', 'gone')
AND (:reader IS NULL OR (:reader = -1 AND hot_folder IS NOT NULL) OR (
    NOT EXISTS (SELECT 1 FROM files WHERE upload_id = uploads.id AND reader IS NOT :reader)
    AND EXISTS (SELECT 1 FROM files WHERE upload_id = uploads.id)))
GROUP BY state;

-- name: queued
SELECT id, hot_folder, priority, created_at, started FROM uploads
WHERE state = 'transferring' AND lease_until <= :now AND retry_at <= :now
AND (started = 1 OR instr(:closed, ' ' || coalesce(hot_folder, '?') || ' ') = 0)
ORDER BY started DESC, priority DESC, created_at, id;

-- name: unsettled_uploads
SELECT DISTINCT upload_id FROM drops WHERE state = 'taken' AND whole = 0
AND (settled_at IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM files WHERE upload_id = drops.upload_id AND closed = 0 AND stale = 0))
UNION SELECT DISTINCT upload_id FROM files WHERE stale = 1 AND closed = 0 AND drop_id IS NULL;

-- name: uploads_in
SELECT * FROM uploads WHERE state = :state ORDER BY created_at, id;

-- name: set_priority
UPDATE uploads SET priority = :priority, prioritized = 1 WHERE id = :id;

-- name: set_rule_priority
UPDATE uploads SET priority = :priority WHERE hot_folder = :hot_folder AND prioritized = 0
AND priority <> :priority AND state IN ('transferring', 'paused', 'idle', 'finalizing', 'error')
RETURNING id;

-- name: in_line
SELECT priority FROM uploads WHERE state IN ('transferring', 'finalizing') AND started = 0
AND retry_at <= :now AND lease_until <= :now
AND CASE state WHEN 'finalizing'
    THEN finalize_asked = 1 OR instr(:undelivered, ' ' || coalesce(hot_folder, '?') || ' ') = 0
    ELSE instr(:closed, ' ' || coalesce(hot_folder, '?') || ' ') = 0 END
ORDER BY priority DESC LIMIT :limit;

-- name: uploads_astir
SELECT EXISTS (SELECT 1 FROM uploads WHERE state IN ('transferring', 'idle', 'finalizing', 'deleting'))
    OR EXISTS (SELECT 1 FROM uploads WHERE state = 'error' AND revives = 1) AS number;

-- name: set_started
UPDATE uploads SET started = 1, retry_at = 0 WHERE id = :id;

-- name: hasten_upload
UPDATE uploads SET retry_at = 0 WHERE id = :id;

-- name: set_takes_package
UPDATE uploads SET takes_package = :takes_package, retry_at = 0, attempts = 0 WHERE id = :id;

-- name: end_claim
UPDATE uploads SET fence = fence + 1, lease_until = 0 WHERE id = :id;

-- name: forget_access_code
UPDATE uploads SET access_code = NULL WHERE id = :id;

-- name: readers
SELECT DISTINCT reader FROM files WHERE upload_id = :upload_id;

-- name: living_secrets
SELECT access_code, password, package_token FROM uploads
WHERE state NOT IN ('complete', 'gone') OR password IS NOT NULL;

-- name: set_finalize_wanted
UPDATE uploads SET finalize_wanted = :wanted WHERE id = :id;

-- name: count_refusal
UPDATE uploads SET refusals = refusals + 1 WHERE id = :id;

-- name: forget_refusals
UPDATE uploads SET refusals = 0 WHERE id = :id;

-- name: forget_secrets
UPDATE uploads SET access_code = NULL, password = NULL, package_token = NULL WHERE id = :id;

-- name: drop_open_tasks
UPDATE tasks SET fence = fence + 1, lease_until = 0 WHERE upload_id = :upload_id AND state = 'due';

-- name: repeat
SELECT * FROM repeats WHERE key = :key;

-- name: add_repeat
INSERT INTO repeats (key, digest, upload_id, at) VALUES (:key, :digest, :upload_id, :now);

-- name: forget_repeats
DELETE FROM repeats WHERE at <= :before;

-- name: paused_folders
SELECT hot_folder, at FROM pauses ORDER BY hot_folder;

-- name: pause_folder
INSERT INTO pauses (hot_folder, at) VALUES (:hot_folder, :now) ON CONFLICT DO NOTHING;

-- name: resume_folder
DELETE FROM pauses WHERE hot_folder = :hot_folder;

-- name: files_to_settle
SELECT * FROM files WHERE upload_id = :upload_id AND stale = 1 AND closed = 0 AND drop_id IS NULL
AND retry_at <= :now ORDER BY retry_at, id LIMIT :limit;

-- name: delay_file
UPDATE files SET retry_at = :retry_at WHERE id = :id;

-- name: package_is_ours
SELECT 1 AS yes FROM uploads WHERE package_id = :package_id AND relinks IS NULL;

-- name: add_upload
INSERT INTO uploads (id, hot_folder, root, name, message, terms, type, batch, state, priority,
    prioritized, chunk_size, access_code, password, relinks, recall_s, created_at, joined_at)
VALUES (:id, :hot_folder, :root, :name, :message, :terms, :type, :batch, :state, :priority,
    :prioritized, :chunk_size, :access_code, :password, :relinks, :recall_s, :now, :now);

-- name: open_batch
SELECT * FROM uploads WHERE hot_folder = :hot_folder AND batch = 1 AND finalize_asked = 0
AND state IN ('transferring', 'paused', 'idle') ORDER BY created_at DESC LIMIT 1;

-- name: close_batches
UPDATE uploads SET batch_closed = 1,
    finalize_at = CASE state WHEN 'idle' THEN min(coalesce(finalize_at, :now), :now) END
WHERE hot_folder = :hot_folder AND batch = 1 AND batch_closed = 0
AND state IN ('transferring', 'paused', 'idle');

-- name: batch_mark
SELECT * FROM batch_marks WHERE hot_folder = :hot_folder;

-- name: note_batch_mark
INSERT INTO batch_marks (hot_folder, mark, seen_at) VALUES (:hot_folder, :mark, :now)
ON CONFLICT (hot_folder) DO UPDATE SET mark = excluded.mark, seen_at = excluded.seen_at, used = 0
WHERE mark <> excluded.mark;

-- name: use_batch_mark
UPDATE batch_marks SET used = 1 WHERE hot_folder = :hot_folder AND mark = :mark;

-- name: forget_batch_mark
DELETE FROM batch_marks WHERE hot_folder = :hot_folder AND used = 1;

-- name: rename_batch_marks
UPDATE OR REPLACE batch_marks SET hot_folder = :new WHERE hot_folder = :old;

-- name: note_joined
UPDATE uploads SET joined_at = :now, finalize_at = NULL WHERE id = :id;

-- name: count_files
UPDATE uploads SET size = size + :size, sent = sent + :sent, file_count = file_count + :files,
    open_files = open_files + :open WHERE id = :id;

-- name: add_toll
UPDATE uploads SET resent = resent + :resent, retries = retries + :retries,
    retry_reason = CASE WHEN :reason <> '' THEN :reason ELSE retry_reason END WHERE id = :id;

-- name: unsent
SELECT coalesce(sum(size - sent), 0) AS number FROM uploads WHERE state = 'transferring';

-- name: advance_upload
UPDATE uploads SET state = :after, error_code = :code, error = :error, finalize_at = :finalize_at,
    finalized_at = :finalized_at, finalize_asked = :finalize_asked
WHERE id = :id AND state = :before;

-- name: clear_upload_retry
UPDATE uploads SET retry_at = 0, attempts = 0, revives = 0, outage_since = NULL, gave_up_at = NULL
WHERE id = :id;

-- name: clear_file_retries
UPDATE files SET retry_at = 0, attempts = 0, error = '', refused = ''
WHERE upload_id = :upload_id AND closed = 0;

-- name: claimable
SELECT id, hot_folder, priority, created_at FROM uploads
WHERE state IN ('transferring', 'finalizing') AND retry_at <= :now AND lease_until <= :now
AND CASE state WHEN 'finalizing'
    THEN finalize_asked = 1 OR instr(:undelivered, ' ' || coalesce(hot_folder, '?') || ' ') = 0
    ELSE instr(:closed, ' ' || coalesce(hot_folder, '?') || ' ') = 0 END
ORDER BY priority DESC, created_at, id LIMIT :limit;

-- name: claimable_of_each
SELECT id, hot_folder, priority, created_at FROM (SELECT *, row_number() OVER (
        PARTITION BY hot_folder ORDER BY priority DESC, created_at, id) AS number FROM uploads
    WHERE state IN ('transferring', 'finalizing') AND retry_at <= :now AND lease_until <= :now
    AND CASE state WHEN 'finalizing'
    THEN finalize_asked = 1 OR instr(:undelivered, ' ' || coalesce(hot_folder, '?') || ' ') = 0
    ELSE instr(:closed, ' ' || coalesce(hot_folder, '?') || ' ') = 0 END)
WHERE number <= :limit OR instr(:mixed, ' ' || coalesce(hot_folder, '?') || ' ') > 0;

-- name: claimable_without_slot
SELECT id FROM uploads WHERE retry_at <= :now AND lease_until <= :now
AND (state = 'deleting' OR (started = 1 AND state IN ('transferring', 'finalizing')))
ORDER BY priority DESC, created_at, id LIMIT :limit;

-- name: claim_upload
UPDATE uploads SET fence = fence + 1, lease_until = :lease_until
WHERE id = :id AND lease_until <= :now RETURNING *;

-- name: renew
UPDATE uploads SET lease_until = :lease_until WHERE id = :id AND fence = :fence RETURNING *;

-- name: let_go
UPDATE uploads SET lease_until = 0, retry_at = :retry_at, attempts = :attempts,
    error = CASE WHEN state <> 'error' THEN :error ELSE error END,
    error_code = CASE WHEN state <> 'error' THEN :code ELSE error_code END
WHERE id = :id AND fence = :fence;

-- name: fenced
SELECT 1 AS yes FROM uploads WHERE id = :id AND fence = :fence;

-- name: note_package_asked
UPDATE uploads SET package_asked_at = coalesce(package_asked_at, :now)
WHERE id = :id AND fence = :fence;

-- name: note_package
UPDATE uploads SET package_id = :package_id, package_token = :token, attempts = 0, error = '',
    error_code = NULL
WHERE id = :id AND fence = :fence;

-- name: note_finalize_asked
UPDATE uploads SET finalize_asked = :asked WHERE id = :id AND fence = :fence;

-- name: unready_drops
SELECT count(*) AS number FROM drops WHERE upload_id = :upload_id
AND (state <> 'taken' OR whole = 0 OR hold IS NOT NULL);

-- name: finalize_due
SELECT id FROM uploads WHERE state = 'idle' AND finalize_at IS NOT NULL
AND finalize_at + CASE WHEN started = 1 OR recall_over = 1 THEN 0 ELSE recall_s END <= :now
AND (started = 1 OR instr(:undelivered, ' ' || coalesce(hot_folder, '?') || ' ') = 0)
ORDER BY finalize_at, id;

-- name: set_recall_over
UPDATE uploads SET recall_over = :over WHERE id = :id;

-- name: set_rule_recall
-- what is to be served by an earlier package waits for its window by its retry
UPDATE uploads SET recall_s = :recall_s,
    retry_at = CASE WHEN relinks IS NOT NULL AND package_id IS NULL THEN 0 ELSE retry_at END
WHERE hot_folder = :hot_folder AND recall_s <> :recall_s
AND state IN ('transferring', 'paused', 'idle', 'finalizing', 'error') RETURNING id;

-- name: end_batch
UPDATE uploads SET batch_closed = 1,
    finalize_at = CASE state WHEN 'idle' THEN min(coalesce(finalize_at, :now), :now) END
WHERE id = :id AND batch = 1 AND batch_closed = 0
AND state IN ('transferring', 'paused', 'idle');

-- name: all_sent
SELECT 1 AS yes FROM uploads WHERE id = :id AND fence = :fence AND open_files = 0
AND NOT EXISTS (SELECT 1 FROM drops WHERE upload_id = :id AND (whole = 0 OR hold IS NOT NULL));

-- name: file
SELECT * FROM files WHERE id = :id;

-- name: files
SELECT * FROM files WHERE upload_id = :upload_id ORDER BY path;

-- name: file_at
SELECT * FROM files WHERE upload_id = :upload_id AND path = :path;

-- name: asked_files
SELECT count(*) AS number FROM files
WHERE drop_id = :drop_id AND upload_id = :upload_id AND open_asked = 1;

-- name: stale_files
SELECT count(*) AS number FROM files WHERE drop_id = :drop_id AND stale = 1;

-- name: files_of_drop
SELECT * FROM files WHERE drop_id = :drop_id AND upload_id = :upload_id ORDER BY path;

-- name: add_file
INSERT INTO files (upload_id, drop_id, path, package_path, name, size, mtime_ns, ctime_ns, inode,
    device, reader)
VALUES (:upload_id, :drop_id, :path, :package_path, :name, :size, :mtime_ns, :ctime_ns, :inode,
    :device, :reader);

-- name: remove_file
DELETE FROM files WHERE id = :id;

-- name: renew_file
UPDATE files SET size = :size, mtime_ns = :mtime_ns, ctime_ns = :ctime_ns, inode = :inode,
    device = :device WHERE id = :id;

-- name: reset_file
UPDATE files SET open_asked = CASE WHEN cloud_id IS NULL THEN open_asked ELSE 0 END,
    cloud_id = NULL, multipart_id = NULL, chunk_size = NULL, sent = 0, close_asked = 0, closed = 0,
    attempts = 0, retry_at = 0, error = '', refused = '', version = 0, hash = '', reread = 0,
    sent_at = 0 WHERE id = :id;

-- name: renew_version
UPDATE files SET version = version + 1, sent = 0, attempts = 0, retry_at = 0, error = '',
    reread = 0 WHERE id = :id;

-- name: unstale_file
UPDATE files SET stale = 0, retry_at = 0, attempts = 0, error = '', refused = '' WHERE id = :id;

-- name: stale_file
UPDATE files SET stale = 1, error = :note WHERE id = :id;

-- name: next_files
SELECT * FROM files WHERE upload_id = :upload_id AND closed = 0 AND stale = 0
AND retry_at <= :now AND size BETWEEN :least AND :most AND refused = ''
AND (drop_id IS NULL OR drop_id NOT IN (
    SELECT id FROM drops WHERE upload_id = :upload_id AND state = 'taken' AND hold IS NOT NULL
    AND instr(:sends_on, ' ' || hold || ' ') = 0))
ORDER BY retry_at, id LIMIT :limit;

-- name: next_retry
SELECT min(retry_at) AS at FROM files WHERE upload_id = :upload_id AND closed = 0 AND stale = 0
AND refused = '' AND (drop_id IS NULL OR drop_id NOT IN (
    SELECT id FROM drops WHERE upload_id = :upload_id AND state = 'taken' AND hold IS NOT NULL
    AND instr(:sends_on, ' ' || hold || ' ') = 0));

-- name: next_look
SELECT min(retry_at) AS at FROM files WHERE upload_id = :upload_id AND stale = 1 AND closed = 0
AND drop_id IS NULL;

-- name: note_file_asked
UPDATE files SET open_asked = 1 WHERE id = :id;

-- name: note_file_unasked
UPDATE files SET open_asked = 0 WHERE id = :id AND cloud_id IS NULL;

-- name: note_file_opened
UPDATE files SET cloud_id = :cloud_id, multipart_id = :multipart_id, chunk_size = :chunk_size,
    max_chunks = :max_chunks, attempts = 0, error = '' WHERE id = :id;

-- name: note_file_sent
UPDATE files SET sent = sent + :size, close_asked = max(close_asked, :last), attempts = 0,
    error = '', reread = 0, sent_at = :now WHERE id = :id;

-- name: note_reread
UPDATE files SET reread = :number WHERE id = :id;

-- name: note_file_closed
UPDATE files SET closed = 1, hash = :hash, attempts = 0, error = '' WHERE id = :id AND closed = 0;

-- name: note_file_shipped
UPDATE files SET cloud_id = :cloud_id, multipart_id = :multipart_id, chunk_size = :chunk_size,
    max_chunks = :max_chunks, sent = :sent, close_asked = 1, closed = 1, hash = :hash,
    attempts = 0, error = ''
WHERE id = :id AND closed = 0 AND cloud_id IS NULL;

-- name: note_file_retry
UPDATE files SET attempts = :attempts, retry_at = :retry_at, error = :error WHERE id = :id;

-- name: chunks
SELECT * FROM chunks WHERE file_id = :file_id
AND version = (SELECT version FROM files WHERE id = :file_id) ORDER BY number;

-- name: chunk
SELECT * FROM chunks WHERE file_id = :file_id AND number = :number AND version = :version;

-- name: kept_chunk
SELECT * FROM chunks WHERE file_id = :file_id AND number = :number AND version < :version;

-- name: chunk_bytes
SELECT coalesce(sum(size), 0) AS number FROM chunks WHERE file_id = :file_id;

-- name: any_chunk
SELECT 1 AS yes FROM chunks WHERE file_id = :file_id LIMIT 1;

-- name: chunks_of_upload
SELECT * FROM chunks WHERE file_id IN (SELECT id FROM files WHERE upload_id = :upload_id)
ORDER BY file_id, number;

-- name: add_chunk
INSERT INTO chunks (file_id, number, size, etag, hash, version)
VALUES (:file_id, :number, :size, :etag, :hash, :version)
ON CONFLICT (file_id, number) DO UPDATE SET size = excluded.size, etag = excluded.etag,
    hash = excluded.hash, version = excluded.version;

-- name: remove_chunks
DELETE FROM chunks WHERE file_id = :file_id;

-- name: remove_unfit_chunks
DELETE FROM chunks WHERE file_id = :file_id
AND (hash = '' OR size <> max(0, min(:chunk_size, :size - (number - 1) * :chunk_size)));

-- name: remove_kept_chunk
DELETE FROM chunks WHERE file_id = :file_id AND number = :number AND version < :version;

-- name: leftovers
SELECT cloud_id FROM leftovers WHERE upload_id = :upload_id ORDER BY cloud_id;

-- name: add_leftover
INSERT INTO leftovers (upload_id, cloud_id) VALUES (:upload_id, :cloud_id)
ON CONFLICT DO NOTHING;

-- name: remove_leftover
DELETE FROM leftovers WHERE upload_id = :upload_id AND cloud_id = :cloud_id;

-- name: add_skipped
INSERT INTO skipped (upload_id, drop_id, reason) VALUES (:upload_id, :drop_id, :reason)
ON CONFLICT DO NOTHING;

-- name: remove_skipped
DELETE FROM skipped WHERE upload_id = :upload_id AND drop_id = :drop_id;

-- name: skipped
SELECT reason FROM skipped WHERE upload_id = :upload_id ORDER BY drop_id, reason;

-- name: add_task
INSERT INTO tasks (upload_id, kind, key, state, created_at, facts, asked, in_doubt)
SELECT :upload_id, :kind, :key, 'due', :now, :facts,
    in_doubt = 1 AND :kind IN ('link', 'letter'), in_doubt = 1 AND :kind = 'letter'
FROM uploads WHERE id = :upload_id
ON CONFLICT (upload_id, kind, key) DO NOTHING;

-- name: task
SELECT * FROM tasks WHERE id = :id;

-- name: tasks
SELECT * FROM tasks WHERE upload_id = :upload_id ORDER BY id;

-- name: open_tasks
SELECT upload_id, count(*) AS number FROM tasks WHERE state = 'due' GROUP BY upload_id;

-- name: due_letters
SELECT DISTINCT upload_id FROM tasks WHERE state = 'due' AND kind = 'letter';

-- name: refused_tasks
SELECT upload_id, count(*) AS number FROM tasks WHERE state = 'refused' GROUP BY upload_id;

-- name: disposal
SELECT * FROM tasks WHERE kind = 'dispose' AND key = :key ORDER BY id DESC LIMIT 1;

-- name: disposed
SELECT 1 AS yes FROM tasks WHERE upload_id = :upload_id AND kind = 'dispose' AND key = :key
AND state = 'done';

-- name: disposed_any
SELECT 1 AS yes FROM tasks WHERE upload_id = :upload_id AND kind = 'dispose' AND state = 'done'
LIMIT 1;

-- name: two_drops
SELECT 1 AS yes FROM drops WHERE upload_id = :upload_id LIMIT 2;

-- name: due_disposals
SELECT count(*) AS number FROM tasks
WHERE upload_id = :upload_id AND kind = 'dispose' AND key = :key AND state = 'due';

-- name: open_tasks_of
SELECT count(*) AS number FROM tasks
WHERE state = 'due' AND upload_id = :upload_id AND kind <> 'receipt';

-- name: due_tasks
SELECT * FROM tasks WHERE state = 'due' AND retry_at <= :now AND lease_until <= :now
AND in_doubt = 0
AND (kind <> 'letter' OR EXISTS (SELECT 1 FROM links WHERE links.upload_id = tasks.upload_id))
AND (kind <> 'retire' OR NOT EXISTS (SELECT 1 FROM tasks AS owed
    WHERE owed.upload_id = tasks.upload_id AND owed.state = 'due'
    AND owed.kind IN ('link', 'letter')))
AND (kind <> 'letter' OR EXISTS (SELECT 1 FROM uploads WHERE uploads.id = tasks.upload_id
    AND (started = 1 OR instr(:undelivered, ' ' || coalesce(hot_folder, '?') || ' ') = 0)))
AND instr(:kinds, ' ' || kind || ' ') > 0 ORDER BY retry_at, id LIMIT 1;

-- name: next_task
SELECT min(max(retry_at, lease_until)) AS at FROM tasks
WHERE state = 'due' AND in_doubt = 0 AND instr(:kinds, ' ' || kind || ' ') > 0;

-- name: claim_task
UPDATE tasks SET fence = fence + 1, lease_until = :lease_until WHERE id = :id RETURNING *;

-- name: note_task_asked
UPDATE tasks SET asked = 1 WHERE id = :id AND fence = :fence;

-- name: retry_task
UPDATE tasks SET retry_at = :retry_at, attempts = :attempts, note = :note, lease_until = 0
WHERE id = :id AND fence = :fence;

-- name: advance_task
UPDATE tasks SET state = :after, note = :note, lease_until = 0
WHERE id = :id AND fence = :fence AND state = :before;

-- name: add_link
INSERT INTO links (upload_id, id, secret, expiry) VALUES (:upload_id, :id, :secret, :expiry)
ON CONFLICT (upload_id) DO NOTHING;

-- name: link
SELECT * FROM links WHERE upload_id = :upload_id;

-- name: add_event
INSERT INTO events (at, noun, noun_id, event, before, after, detail)
VALUES (:now, :noun, :noun_id, :event, :before, :after, :detail);

-- name: newest_event
SELECT coalesce(max(id), 0) AS number FROM events;

-- name: oldest_event
SELECT coalesce(min(id), 0) AS number FROM events;

-- name: events_after
SELECT * FROM events WHERE id > :after ORDER BY id LIMIT :limit;

-- name: forget_events
DELETE FROM events WHERE id IN (SELECT id FROM events
    WHERE at <= :before AND id < (SELECT max(id) FROM events) ORDER BY id LIMIT :limit);

-- name: forget_devices
UPDATE files SET device = -1 WHERE upload_id IN
    (SELECT id FROM uploads WHERE state NOT IN ('complete', 'gone'));

-- name: forget_devices_of
UPDATE files SET device = -1 WHERE upload_id = :upload_id;

-- name: hurry_uploads
UPDATE uploads SET retry_at = 0
WHERE (state IN ('transferring', 'finalizing', 'deleting') OR (state = 'error' AND revives = 1))
AND retry_at > 0;

-- name: hurry_files
UPDATE files SET retry_at = 0 WHERE closed = 0 AND retry_at > 0;

-- name: hurry_tasks
UPDATE tasks SET retry_at = 0 WHERE state = 'due' AND retry_at > 0;

-- name: start_over_uploads
UPDATE uploads SET fence = fence + 1, lease_until = 0, retry_at = 0
WHERE state NOT IN ('complete', 'gone');

-- name: start_over_files
UPDATE files SET retry_at = 0 WHERE closed = 0 AND stale = 0 AND retry_at > 0;

-- name: start_over_tasks
UPDATE tasks SET fence = fence + 1, lease_until = 0 WHERE state = 'due';

-- name: newest_time
SELECT max(
    coalesce((SELECT max(at) FROM (SELECT at FROM events ORDER BY id DESC LIMIT 1000)), 0),
    coalesce((SELECT CAST(value AS REAL) FROM meta WHERE key = 'closed_at'), 0),
    coalesce((SELECT max(package_asked_at) FROM uploads), 0),
    coalesce((SELECT max(adopted_at) FROM roots), 0),
    coalesce((SELECT max(at) FROM mailed), 0),
    coalesce((SELECT max(created_at) FROM uploads), 0),
    coalesce((SELECT max(seen_at) FROM drops), 0)
) AS at;

-- name: meta
SELECT value FROM meta WHERE key = :key;

-- name: set_meta
INSERT INTO meta (key, value) VALUES (:key, :value)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: forget_meta
DELETE FROM meta WHERE key = :key;

-- name: unsealed_uploads
SELECT id, package_token FROM uploads
WHERE package_token IS NOT NULL AND package_token NOT LIKE 'sealed:%';

-- name: seal_upload
UPDATE uploads SET package_token = :token WHERE id = :id;

-- name: unsealed_links
SELECT upload_id, secret FROM links WHERE secret NOT LIKE 'sealed:%';

-- name: seal_link
UPDATE links SET secret = :secret WHERE upload_id = :upload_id;

-- name: gaps
SELECT seconds FROM gaps WHERE hot_folder = :hot_folder ORDER BY id DESC;

-- name: add_gap
INSERT INTO gaps (hot_folder, seconds) VALUES (:hot_folder, :seconds);

-- name: forget_gaps
DELETE FROM gaps WHERE hot_folder = :hot_folder AND id NOT IN (
    SELECT id FROM gaps WHERE hot_folder = :hot_folder ORDER BY id DESC LIMIT :kept);

-- name: changes_of
SELECT count(*) AS number FROM events
WHERE noun = 'drop' AND noun_id = :drop_id AND event = 'change' AND at > :since;

-- name: delivered_files
SELECT files.path, files.size, files.mtime_ns, files.inode, files.hash,
    coalesce(files.chunk_size, 0) AS chunk_size
FROM drops JOIN files ON files.drop_id = drops.id
JOIN uploads ON uploads.id = files.upload_id AND uploads.finalized_at IS NOT NULL
WHERE drops.hot_folder = :hot_folder AND drops.path = :path AND drops.forgotten = 0
ORDER BY uploads.finalized_at, files.id;

-- name: delivered_above
SELECT files.*, drops.path AS top, drops.file_count AS of_files
FROM drops CROSS JOIN files ON files.upload_id = drops.upload_id AND +files.drop_id = drops.id
JOIN uploads ON uploads.id = files.upload_id AND uploads.finalized_at IS NOT NULL
WHERE drops.hot_folder = :hot_folder AND drops.path = :folder AND drops.forgotten = 0
AND files.path >= :path AND files.path < :behind AND (files.path = :path OR files.path > :first)
ORDER BY uploads.finalized_at, files.id;

-- name: delivered_below
SELECT files.*, drops.path AS top, drops.file_count AS of_files
FROM drops CROSS JOIN files ON files.drop_id = drops.id
JOIN uploads ON uploads.id = files.upload_id AND uploads.finalized_at IS NOT NULL
WHERE drops.hot_folder = :hot_folder AND drops.path > :first AND drops.path < :behind
AND drops.forgotten = 0 ORDER BY uploads.finalized_at, files.id;

-- name: recorded_before
SELECT * FROM drops AS drop_ WHERE hot_folder = :hot_folder AND path = :path AND forgotten = 0
AND (state = 'duplicate' OR (state = 'ignored' AND note = :seen))
AND NOT EXISTS (SELECT 1 FROM drops JOIN uploads ON uploads.id = drops.upload_id
    WHERE drops.hot_folder = :hot_folder AND drops.path = :path AND drops.forgotten = 0
    AND drops.late = 0 AND uploads.finalized_at IS NOT NULL)
ORDER BY generation DESC LIMIT 1;

-- name: was_delivered
SELECT 1 AS yes FROM drops JOIN uploads ON uploads.id = drops.upload_id
WHERE drops.hot_folder = :hot_folder AND drops.path = :path AND drops.forgotten = 0
AND uploads.finalized_at IS NOT NULL LIMIT 1;

-- name: like_drops
SELECT * FROM drops WHERE hot_folder = :hot_folder AND file_count = :file_count AND size = :size
AND state IN ('taken', 'done') AND path <> :path AND forgotten = 0 AND late = 0
AND EXISTS (SELECT 1 FROM uploads WHERE uploads.id = drops.upload_id AND finalized_at IS NOT NULL)
ORDER BY id DESC LIMIT :most;

-- name: same_inodes
SELECT wanted.key AS number, files.*, drops.path AS top, drops.file_count AS of_files
FROM json_each(:wanted) AS wanted CROSS JOIN files JOIN drops ON drops.id = files.drop_id
JOIN uploads ON uploads.id = files.upload_id AND uploads.finalized_at IS NOT NULL
WHERE files.size = json_extract(wanted.value, '$[0]')
AND files.mtime_ns = json_extract(wanted.value, '$[1]')
AND files.inode = json_extract(wanted.value, '$[2]')
AND files.drop_id IS NOT NULL AND drops.hot_folder = :hot_folder AND drops.forgotten = 0
ORDER BY files.id DESC;

-- name: near_inodes
SELECT wanted.key AS number, files.*, drops.path AS top, drops.file_count AS of_files
FROM json_each(:wanted) AS wanted CROSS JOIN files JOIN drops ON drops.id = files.drop_id
JOIN uploads ON uploads.id = files.upload_id AND uploads.finalized_at IS NOT NULL
WHERE files.size = json_extract(wanted.value, '$[0]')
AND files.mtime_ns BETWEEN json_extract(wanted.value, '$[1]') - :within
    AND json_extract(wanted.value, '$[1]') + :within
AND files.inode = json_extract(wanted.value, '$[2]')
AND files.drop_id IS NOT NULL AND drops.hot_folder = :hot_folder AND drops.forgotten = 0
ORDER BY files.id DESC;

-- name: tops_of_file
SELECT DISTINCT drops.path AS top FROM files JOIN drops ON drops.id = files.drop_id
WHERE files.size = :size AND files.mtime_ns = :mtime_ns AND files.inode = :inode
AND files.drop_id IS NOT NULL AND drops.hot_folder = :hot_folder AND drops.path <> :path
AND drops.state IN ('taken', 'done') LIMIT :most;

-- name: same_time
SELECT files.*, drops.path AS top, drops.file_count AS of_files
FROM (SELECT * FROM files WHERE size = :size AND mtime_ns BETWEEN :least AND :most_ns
    AND drop_id IS NOT NULL LIMIT 8 * :most) AS files
JOIN drops ON drops.id = files.drop_id
JOIN uploads ON uploads.id = files.upload_id AND uploads.finalized_at IS NOT NULL
WHERE drops.hot_folder = :hot_folder AND drops.forgotten = 0 LIMIT :most;

-- name: same_size
SELECT files.*, drops.path AS top, drops.file_count AS of_files
FROM (SELECT * FROM files WHERE size = :size AND drop_id IS NOT NULL
    ORDER BY mtime_ns DESC LIMIT 8 * :most) AS files
JOIN drops ON drops.id = files.drop_id
JOIN uploads ON uploads.id = files.upload_id AND uploads.finalized_at IS NOT NULL
WHERE drops.hot_folder = :hot_folder AND drops.forgotten = 0 LIMIT :most;

-- name: coming_drops
SELECT * FROM drops WHERE hot_folder = :hot_folder AND file_count = :file_count AND size = :size
AND state = 'taken' AND whole = 1 AND path <> :path AND forgotten = 0 AND late = 0
AND EXISTS (SELECT 1 FROM uploads WHERE uploads.id = drops.upload_id AND batch = 0
    AND relinks IS NULL AND uploads.state IN ('idle', 'finalizing'))
ORDER BY id DESC LIMIT :most;

-- name: unsettled_since
SELECT count(*) AS number FROM drops WHERE upload_id = :upload_id AND settled_at > :since;

-- name: forget_relinks_of
-- what waited to be served has bytes to send now
UPDATE uploads SET relinks = NULL, retry_at = 0,
    recall_over = CASE WHEN created_at + recall_s <= :now THEN 1 ELSE recall_over END
WHERE relinks = :id AND package_id IS NULL;

-- name: end_served_recall
UPDATE uploads SET recall_over = 1
WHERE id = :id AND relinks IS NOT NULL AND package_id IS NULL AND created_at + recall_s <= :now;

-- name: retire_upload
UPDATE uploads SET retired = 1 WHERE id = :id;

-- name: replaceable
SELECT drops.upload_id, drops.late FROM drops JOIN uploads ON uploads.id = drops.upload_id
WHERE drops.hot_folder = :hot_folder AND drops.path = :path AND drops.forgotten = 0
AND uploads.state = 'complete' AND uploads.retired = 0
AND NOT EXISTS (SELECT 1 FROM drops AS other
    WHERE other.upload_id = drops.upload_id AND other.id <> drops.id)
ORDER BY uploads.finalized_at DESC, drops.id DESC;

-- name: forget_relink
UPDATE uploads SET relinks = NULL WHERE id = :id AND package_id IS NULL;

-- name: relink_upload
UPDATE uploads SET package_id = :package_id, package_token = :token, attempts = 0, error = ''
WHERE id = :id;

-- name: relink_file
UPDATE files SET closed = 1, sent = size, package_path = :package_path, name = :name,
    cloud_id = :cloud_id, chunk_size = :chunk_size, max_chunks = :max_chunks, hash = :hash,
    attempts = 0, error = '' WHERE id = :id;

-- name: note_drop
UPDATE drops SET note = :note WHERE id = :id;

-- name: shares_package
SELECT count(*) AS number FROM (
    SELECT id, state, retired FROM uploads WHERE package_id = :package_id AND relinks IS NULL
    UNION ALL
    SELECT id, state, retired FROM uploads WHERE package_id = :package_id AND relinks IS NOT NULL)
WHERE id <> :id AND state = 'complete' AND retired = 0;

-- name: named_beside
SELECT DISTINCT value AS address FROM uploads, json_each(uploads.terms, '$.recipients')
WHERE uploads.id IN (
    SELECT uploads.id FROM uploads WHERE package_id = :package_id AND relinks IS NULL
    UNION ALL SELECT uploads.id FROM uploads WHERE package_id = :package_id
        AND relinks IS NOT NULL)
AND uploads.id <> :id AND state = 'complete' AND retired = 0;

-- name: known_links
WITH beside AS (
    SELECT uploads.id FROM uploads WHERE package_id = :package_id AND relinks IS NULL
    UNION ALL SELECT uploads.id FROM uploads WHERE package_id = :package_id
        AND relinks IS NOT NULL)
SELECT id FROM links WHERE upload_id <> :id AND upload_id IN (SELECT id FROM beside)
UNION ALL
SELECT id FROM links_by_hand WHERE upload_id <> :id AND upload_id IN (SELECT id FROM beside);

-- name: add_link_by_hand
INSERT OR IGNORE INTO links_by_hand (id, upload_id) VALUES (:id, :upload_id);

-- name: links_by_hand
SELECT id FROM links_by_hand WHERE upload_id = :upload_id;

-- name: forget_links_by_hand_of
DELETE FROM links_by_hand WHERE upload_id = :upload_id;

-- name: drop_task
UPDATE tasks SET fence = fence + 1, lease_until = 0 WHERE id = :id;

-- name: late_drops_since
SELECT count(*) AS number FROM drops WHERE hot_folder = :hot_folder AND path = :path AND late = 1
AND settled_at > :since;

-- name: conclude_drop
UPDATE drops SET signature = :signature, size = :size, file_count = :file_count,
    settled_at = :now, judged_at = :judged_at WHERE id = :id;

-- name: add_source
INSERT INTO sources (drop_id, path, size, mtime_ns, ctime_ns, inode, device)
VALUES (:drop_id, :path, :size, :mtime_ns, :ctime_ns, :inode, :device);

-- name: sources
SELECT * FROM sources WHERE drop_id = :drop_id;

-- name: forget_sources
DELETE FROM sources WHERE drop_id = :drop_id;

-- name: delivering
SELECT DISTINCT uploads.id, uploads.finalized_at,
    uploads.state = 'complete' AND uploads.retired = 0 AND coalesce(
        uploads.finalized_at + json_extract(uploads.terms, '$.expires_s') > :now, 1) AS living
FROM drops JOIN files ON files.drop_id = drops.id
JOIN uploads ON uploads.id = files.upload_id AND uploads.finalized_at IS NOT NULL
WHERE drops.hot_folder = :hot_folder AND drops.path = :path AND drops.forgotten = 0
ORDER BY uploads.finalized_at DESC;

-- name: answer_drop
-- 1: all of it goes again, 2: what is new of it goes
UPDATE drops SET answered = :answer, answered_for = :answered_for, unwanted = 0, told_as = ''
WHERE id = :id;

-- name: forget_path
UPDATE drops SET forgotten = 1, signature = '' WHERE path = :path
AND (hot_folder = :hot_folder
    OR substr(hot_folder, 1, length(:hot_folder) + 1) = :hot_folder || '@')
AND state NOT IN ('settling', 'held', 'queued', 'taken');

-- name: late_drop
UPDATE drops SET late = :late WHERE id = :id;

-- name: forgotten_paths
-- one path may come several times: DISTINCT has SQLite walk over the whole history in its order
SELECT path FROM drops WHERE hot_folder = :hot_folder AND forgotten = 1
AND NOT EXISTS (SELECT 1 FROM drops AS newer WHERE newer.hot_folder = drops.hot_folder
    AND newer.path = drops.path AND newer.generation > drops.generation AND newer.forgotten = 0);

-- name: ledger_page
SELECT * FROM drops WHERE id > :after AND (:hot_folder IS NULL OR hot_folder = :hot_folder)
ORDER BY id LIMIT :limit;

-- name: rebind_upload
UPDATE uploads SET terms = :terms, type = :type WHERE id = :id;

-- name: taken_since
SELECT coalesce(sum(size), 0) AS number FROM drops WHERE hot_folder = :hot_folder
AND settled_at >= :since AND state IN ('taken', 'done') AND id <> :but;

-- name: arriving_bytes
SELECT coalesce(sum(files.size), 0) AS number FROM drops
JOIN files ON files.drop_id = drops.id AND files.upload_id = drops.upload_id
WHERE drops.hot_folder = :hot_folder AND drops.state = 'taken' AND drops.whole = 0
AND drops.settled_at IS NULL AND drops.id <> :but;

-- name: delivered_sizes
SELECT size FROM drops WHERE hot_folder = :hot_folder AND settled_at IS NOT NULL
AND EXISTS (SELECT 1 FROM uploads WHERE id = drops.upload_id AND finalized_at IS NOT NULL)
ORDER BY settled_at DESC, id DESC LIMIT :limit;

-- name: delivered_to
SELECT 1 AS yes FROM uploads WHERE hot_folder = :hot_folder AND finalized_at IS NOT NULL AND (
    EXISTS (SELECT 1 FROM json_each(terms, '$.recipients')
        WHERE lower(substr(value, instr(value, '@') + 1)) = :domain)
    OR EXISTS (SELECT 1 FROM json_each(terms, '$.mail_to')
        WHERE lower(substr(value, instr(value, '@') + 1)) = :domain)) LIMIT 1;

-- name: alarms
SELECT alarms.*, EXISTS (
    SELECT 1 FROM notices WHERE ended = 0 AND created_at = alarms.told_at) AS unsent
FROM alarms ORDER BY since, key;

-- name: note_alarm
INSERT INTO alarms (key, text, cure, final, more_since, since)
VALUES (:key, :text, :cure, :final, :more_since, :now)
ON CONFLICT (key) DO UPDATE SET text = excluded.text, cure = excluded.cure,
    more_since = excluded.more_since, ended_at = NULL;

-- name: end_alarm
UPDATE alarms SET ended_at = :now WHERE key = :key;

-- name: tell_alarm
UPDATE alarms SET told = 1, told_at = :now WHERE key = :key;

-- name: forget_alarm
DELETE FROM alarms WHERE key = :key;

-- name: last_notice_at
SELECT max(created_at) AS at FROM notices;

-- name: drop_notices
DELETE FROM notices WHERE ended = 0;

-- name: forget_notices
DELETE FROM notices WHERE ended = 1 AND created_at < :before;

-- name: add_notice
INSERT INTO notices (address, subject, text, created_at)
VALUES (:address, :subject, :text, :now);

-- name: due_notice
SELECT * FROM notices WHERE ended = 0 AND retry_at <= :now ORDER BY retry_at, id LIMIT 1;

-- name: end_notice
UPDATE notices SET ended = 1, refused = :refused, note = :note WHERE id = :id;

-- name: last_notices
SELECT * FROM notices WHERE created_at = (SELECT max(created_at) FROM notices) ORDER BY id;

-- name: drop_notice
DELETE FROM notices WHERE id = :id;

-- name: retry_notice
UPDATE notices SET attempts = attempts + 1, retry_at = :retry_at, note = :note WHERE id = :id;

-- name: unsent_notice
SELECT note FROM notices WHERE (ended = 0 AND attempts > 0)
OR (refused = 1 AND created_at = (SELECT max(created_at) FROM notices)) ORDER BY id LIMIT 1;

-- name: held_kinds
SELECT 'held ' || hot_folder || ' ' || hold AS key, count(*) AS number, min(id) AS first,
    sum(told_as <> hold) AS untold,
    max(CASE WHEN told_as <> hold THEN id END) AS latest,
    min(CASE WHEN told_as <> hold THEN held_at END) AS untold_since
FROM drops
WHERE state IN ('settling', 'held', 'queued', 'taken') AND hold IS NOT NULL
AND (hold NOT IN ('incomplete', 'sidecar_missing') OR held_at <= :lacking_before)
GROUP BY hot_folder, hold ORDER BY hot_folder, hold;

-- name: tell_held
UPDATE drops SET told_as = hold
WHERE state IN ('settling', 'held', 'queued', 'taken') AND hold IS NOT NULL
AND (hold NOT IN ('incomplete', 'sidecar_missing') OR held_at <= :lacking_before)
AND held_at <= :seen_at AND 'held ' || hot_folder || ' ' || hold = :key;

-- name: tasks_in_trouble
SELECT tasks.*, uploads.name AS upload_name FROM tasks JOIN uploads ON uploads.id = tasks.upload_id
WHERE tasks.state = 'refused' OR (tasks.state = 'due' AND tasks.attempts >= 3)
ORDER BY tasks.id DESC LIMIT :most;
-- name: left_packages
SELECT * FROM left_packages WHERE retry_at <= :now ORDER BY package_id;

-- name: has_left_packages
SELECT EXISTS (SELECT 1 FROM left_packages) AS number;

-- name: leave_package
INSERT INTO left_packages (package_id, upload_id, token, type, team)
VALUES (:package_id, :upload_id, :token, :type, :team) ON CONFLICT DO NOTHING;

-- name: retry_left
UPDATE left_packages SET retry_at = :retry_at, attempts = :attempts WHERE package_id = :package_id;

-- name: note_stray
INSERT INTO strays (package_id, upload_id, why, at) VALUES (:package_id, :upload_id, :why, :now)
ON CONFLICT (package_id) DO UPDATE SET why = excluded.why, at = excluded.at;

-- name: forget_strays
DELETE FROM strays WHERE at <= :before;

-- name: strays
SELECT * FROM strays WHERE at > :since ORDER BY at, package_id;

-- name: note_left_gone
DELETE FROM left_packages WHERE package_id = :package_id;

-- name: forget_package
UPDATE uploads SET package_asked_at = CASE WHEN package_id IS NULL THEN package_asked_at END,
    package_id = NULL, package_token = NULL, sent = 0, open_files = file_count, refusals = 0,
    retry_at = 0, attempts = 0 WHERE id = :id;

-- name: restart_files
UPDATE files SET open_asked = CASE WHEN :was_sent = 1 THEN open_asked ELSE 0 END,
    cloud_id = NULL, multipart_id = NULL, chunk_size = NULL, sent = 0, close_asked = 0, closed = 0, attempts = 0, retry_at = 0, refused = '', version = 0, hash = '',
    error = CASE WHEN stale = 1 THEN error ELSE '' END WHERE upload_id = :upload_id;

-- name: remove_leftovers
DELETE FROM leftovers WHERE upload_id = :upload_id;

-- name: remove_chunks_of
DELETE FROM chunks WHERE file_id IN (SELECT id FROM files WHERE upload_id = :upload_id);

-- name: chunk_bytes_of
SELECT coalesce(sum(size), 0) AS number FROM chunks
WHERE file_id IN (SELECT id FROM files WHERE upload_id = :upload_id);

-- name: note_file_refused
UPDATE files SET refused = :reason, error = :reason WHERE id = :id AND closed = 0;

-- name: refused_files
SELECT * FROM files WHERE upload_id = :upload_id AND refused <> '' AND closed = 0 ORDER BY path;

-- name: closed_file
SELECT 1 AS yes FROM files WHERE upload_id = :upload_id AND closed = 1 LIMIT 1;

-- name: skipped_of
SELECT reason FROM skipped WHERE upload_id = :upload_id AND drop_id = :drop_id;

-- name: knows_folder
SELECT 1 AS yes WHERE EXISTS (SELECT 1 FROM drops WHERE hot_folder = :name
    OR (hot_folder > :name || '@' AND hot_folder < :name || 'A'))
OR EXISTS (SELECT 1 FROM roots WHERE hot_folder = :name
    OR (hot_folder > :name || '@' AND hot_folder < :name || 'A'));

-- name: rename_drops
UPDATE drops SET hot_folder = :new || substr(hot_folder, length(:old) + 1) WHERE hot_folder = :old
OR (hot_folder > :old || '@' AND hot_folder < :old || 'A');

-- name: rename_roots
UPDATE roots SET hot_folder = :new || substr(hot_folder, length(:old) + 1) WHERE hot_folder = :old
OR (hot_folder > :old || '@' AND hot_folder < :old || 'A');

-- name: rename_uploads
UPDATE uploads SET hot_folder = :new WHERE hot_folder = :old;

-- name: rename_gaps
UPDATE gaps SET hot_folder = :new WHERE hot_folder = :old;

-- name: rename_pause
UPDATE OR IGNORE pauses SET hot_folder = :new WHERE hot_folder = :old;

-- name: arrivals
SELECT (SELECT seen_at FROM drops WHERE hot_folder = :hot_folder ORDER BY id LIMIT 1) AS first,
    (SELECT seen_at FROM drops WHERE hot_folder = :hot_folder ORDER BY id DESC LIMIT 1) AS newest;
-- name: ended_drops
SELECT id, path, gone_at, over FROM drops WHERE id > :after AND +hot_folder = :hot_folder
AND state NOT IN ('settling', 'held', 'queued') AND (state <> 'taken'
    OR EXISTS (SELECT 1 FROM uploads WHERE id = upload_id AND state IN ('complete', 'gone')))
ORDER BY id LIMIT :limit;

-- name: note_gone
UPDATE drops SET gone_at = :now WHERE id = :id AND gone_at IS NULL;

-- name: note_back
UPDATE drops SET gone_at = NULL, over = 0 WHERE id = :id;

-- name: note_over
UPDATE drops SET over = 1 WHERE id = :id AND gone_at IS NOT NULL;

-- name: over_uploads
SELECT id FROM uploads WHERE created_at <= :before AND state IN ('complete', 'gone')
AND coalesce(finalized_at, 0) <= :before
AND NOT EXISTS (SELECT 1 FROM drops WHERE drops.upload_id = uploads.id
    AND (over = 0 OR state IN ('settling', 'held', 'queued')))
AND NOT EXISTS (SELECT 1 FROM files JOIN drops ON drops.id = files.drop_id
    WHERE files.upload_id = uploads.id
    AND (over = 0 OR drops.state IN ('settling', 'held', 'queued')))
AND NOT EXISTS (SELECT 1 FROM tasks WHERE upload_id = uploads.id AND state = 'due')
AND NOT EXISTS (SELECT 1 FROM uploads AS relinked WHERE relinked.relinks = uploads.id)
AND NOT EXISTS (SELECT 1 FROM left_packages WHERE upload_id = uploads.id)
ORDER BY created_at, id LIMIT :limit;

-- name: is_over
SELECT count(*) AS number FROM uploads WHERE id = :id AND state IN ('complete', 'gone')
AND NOT EXISTS (SELECT 1 FROM drops WHERE drops.upload_id = uploads.id
    AND (over = 0 OR state IN ('settling', 'held', 'queued')))
AND NOT EXISTS (SELECT 1 FROM tasks WHERE upload_id = uploads.id AND state = 'due')
AND NOT EXISTS (SELECT 1 FROM uploads AS relinked WHERE relinked.relinks = uploads.id);

-- name: forget_chunks_of
DELETE FROM chunks WHERE (file_id, number) IN (SELECT file_id, number FROM chunks
    WHERE file_id IN (SELECT id FROM files WHERE upload_id = :upload_id) LIMIT :limit);

-- name: forget_files_of
DELETE FROM files WHERE id IN (SELECT id FROM files WHERE upload_id = :upload_id LIMIT :limit);

-- name: forget_tasks_of
DELETE FROM tasks WHERE upload_id = :upload_id;

-- name: forget_link_of
DELETE FROM links WHERE upload_id = :upload_id;

-- name: forget_skipped_of
DELETE FROM skipped WHERE upload_id = :upload_id;

-- name: forget_leftovers_of
DELETE FROM leftovers WHERE upload_id = :upload_id;

-- name: forget_sources_of
DELETE FROM sources WHERE drop_id IN (SELECT id FROM drops WHERE upload_id = :upload_id);

-- name: forget_drops_of
DELETE FROM drops WHERE upload_id = :upload_id
AND NOT EXISTS (SELECT 1 FROM files WHERE files.drop_id = drops.id);

-- name: forget_upload
DELETE FROM uploads WHERE id = :upload_id
AND NOT EXISTS (SELECT 1 FROM drops WHERE drops.upload_id = uploads.id);

-- name: over_drops
SELECT id FROM drops WHERE over = 1 AND upload_id IS NULL
AND state NOT IN ('settling', 'held', 'queued', 'taken')
AND NOT EXISTS (SELECT 1 FROM files WHERE files.drop_id = drops.id) LIMIT :limit;

-- name: is_drop_over
SELECT count(*) AS number FROM drops WHERE id = :id AND over = 1 AND upload_id IS NULL
AND state NOT IN ('settling', 'held', 'queued', 'taken')
AND NOT EXISTS (SELECT 1 FROM files WHERE files.drop_id = drops.id);

-- name: forget_drop
DELETE FROM drops WHERE id = :id;

-- name: advance_restored_uploads
UPDATE uploads SET state = 'paused', lease_until = 0, fence = fence + 1
WHERE state = 'transferring' OR (state = 'error' AND package_id IS NULL);

-- name: forget_restored_drops
DELETE FROM drops WHERE state IN ('settling', 'held', 'queued') AND upload_id IS NULL
AND NOT EXISTS (SELECT 1 FROM files WHERE files.drop_id = drops.id)
AND NOT EXISTS (SELECT 1 FROM sources WHERE sources.drop_id = drops.id);

-- name: doubt_restored_letters
UPDATE tasks SET in_doubt = 1, asked = 1 WHERE state = 'due' AND kind = 'letter';

-- name: ask_restored_links
UPDATE tasks SET asked = 1 WHERE state = 'due' AND kind = 'link';

-- name: doubt_restored_uploads
UPDATE uploads SET in_doubt = 1 WHERE state IN ('idle', 'finalizing');

-- name: note_restored
INSERT INTO meta (key, value) VALUES ('restored', strftime('%s', 'now'))
ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: knows_ledger
SELECT 1 AS yes WHERE EXISTS (SELECT 1 FROM drops WHERE hot_folder = :hot_folder)
OR EXISTS (SELECT 1 FROM roots WHERE hot_folder = :hot_folder);

-- name: forget_asked
DELETE FROM meta WHERE substr(key, 1, 6) = 'asked:';

-- name: known_folders
SELECT hot_folder FROM roots UNION SELECT hot_folder FROM drops ORDER BY 1;

-- name: note_outage
UPDATE uploads SET outage_mark = :mark, outage_since = :since, outage_at = :at,
    gave_up_at = :gave_up_at WHERE id = :id;

-- name: note_outage_end
UPDATE uploads SET gave_up_at = coalesce(gave_up_at, :now), revives = :revives,
    retry_at = :retry_at WHERE id = :id;

-- name: given_up_uploads
SELECT * FROM uploads WHERE state = 'error' AND revives = 1 AND retry_at <= :now ORDER BY id;

-- name: revive_upload
UPDATE uploads SET retry_at = 0, attempts = 0, revives = 0 WHERE id = :id;

-- name: set_password
UPDATE uploads SET password = :password WHERE id = :id;

-- name: forget_meta
DELETE FROM meta WHERE key = :key;

-- name: add_bulletin
INSERT INTO bulletins (hot_folder, hook, told, noun, noun_id, name, detail, at, created_at, whose)
VALUES (:hot_folder, :hook, :told, :noun, :noun_id, :name, :detail, :at, :now, :whose)
ON CONFLICT DO NOTHING;

-- name: due_bulletin
-- in the order of their index: a hundred thousand that are owed are not sorted for each
SELECT * FROM bulletins INDEXED BY bulletins_owed
WHERE ended = 0 AND retry_at <= :now AND whose NOT IN (
    SELECT kept.whose FROM bulletins AS kept INDEXED BY bulletins_deferred
    WHERE kept.ended = 0 AND kept.deferred = 1 AND kept.whose <> '' AND kept.retry_at > :now)
ORDER BY id LIMIT 1;

-- name: end_bulletin
UPDATE bulletins SET ended = 1, deferred = 0, note = :note WHERE id = :id;

-- name: note_taker
INSERT INTO takers (whose) SELECT :whose WHERE :whose <> '' ON CONFLICT DO NOTHING;

-- name: end_old_bulletins
UPDATE bulletins SET ended = 1, deferred = 0, note = :note
WHERE ended = 0 AND whose = :whose AND whose <> '' AND created_at < :before;

-- name: retry_bulletin
UPDATE bulletins SET attempts = attempts + 1, retry_at = :retry_at, deferred = :deferred,
    note = :note
WHERE id = :id;

-- name: bulletins_of
SELECT count(*) AS number FROM bulletins
WHERE whose = :whose AND whose <> '' AND hot_folder = :hot_folder;

-- name: inherit_bulletins
-- of two that stood there one after the other, each with the same thing, one row is enough
UPDATE OR IGNORE bulletins SET whose = :whose, deferred = 0
WHERE ended = 0 AND hot_folder = :hot_folder AND hook = :hook
AND instr(:known, ' ' || whose || ' ') = 0
AND NOT EXISTS (SELECT 1 FROM takers WHERE takers.whose = bulletins.whose);

-- name: untold_bulletins
SELECT * FROM bulletins WHERE id IN (SELECT min(id) FROM bulletins
    WHERE ended = 0 AND attempts >= :attempts GROUP BY hot_folder, hook) ORDER BY id;

-- name: forget_bulletins
DELETE FROM bulletins WHERE ended = 1 AND created_at < :before;

-- name: reviving
SELECT * FROM uploads WHERE state = 'error' AND revives = 1 ORDER BY id;

-- name: named_upload
SELECT hot_folder, name AS package FROM uploads WHERE id = :id;

-- name: named_drop
SELECT hot_folder, path AS "drop", upload_id AS upload FROM drops WHERE id = CAST(:id AS INTEGER);

-- name: named_task
SELECT uploads.hot_folder, uploads.name AS package, kind AS task, upload_id AS upload FROM tasks
JOIN uploads ON uploads.id = tasks.upload_id WHERE tasks.id = CAST(:id AS INTEGER);

-- name: letters_to
SELECT tasks.*, uploads.terms AS terms FROM tasks JOIN uploads ON uploads.id = tasks.upload_id
WHERE tasks.state = 'due' AND tasks.kind = 'letter' AND lower(tasks.key) = lower(:address)
AND tasks.letter = '' AND tasks.asked = 0 AND tasks.alone = 0
AND (tasks.lease_until <= :now OR tasks.id = :id)
AND EXISTS (SELECT 1 FROM links WHERE links.upload_id = tasks.upload_id)
AND (uploads.started = 1
    OR instr(:undelivered, ' ' || coalesce(uploads.hot_folder, '?') || ' ') = 0)
ORDER BY tasks.id;

-- name: join_letter
UPDATE tasks SET letter = :letter, retry_at = 0
WHERE id = :id AND state = 'due' AND letter = '' AND asked = 0 AND alone = 0;

-- name: letter_members
SELECT * FROM tasks WHERE letter = :letter AND letter <> '' AND state = 'due' ORDER BY id;

-- name: take_letter
UPDATE tasks SET fence = fence + 1, lease_until = :lease_until, asked = 1,
    tried_at = coalesce(tried_at, CASE WHEN attempts > 0 THEN created_at ELSE :now END)
WHERE id = :id;

-- name: retry_letter
UPDATE tasks SET retry_at = :retry_at, attempts = :attempts, note = :note, lease_until = 0,
    asked = :unsure, letter = CASE WHEN :unsure = 1 THEN letter ELSE '' END
WHERE id = :id AND fence = :fence;

-- name: single_letter
UPDATE tasks SET letter = '', alone = 1, asked = 0, retry_at = 0, attempts = attempts + 1, note = :note,
    lease_until = 0
WHERE id = :id AND fence = :fence;

-- name: hasten_letters
UPDATE tasks SET retry_at = 0
WHERE upload_id = :upload_id AND kind = 'letter' AND state = 'due' AND attempts = 0;

-- name: gathering_letters
SELECT upload_id, CASE WHEN max(in_doubt) = 1 THEN 9e999 ELSE min(retry_at) END AS at FROM tasks
WHERE state = 'due' AND kind = 'letter'
AND (in_doubt = 1 OR (letter = '' AND attempts = 0 AND retry_at > :now))
GROUP BY upload_id;

-- name: trust_upload
UPDATE uploads SET in_doubt = 0 WHERE id = :upload_id;

-- name: trust_letters
UPDATE tasks SET in_doubt = 0, retry_at = 0 WHERE in_doubt = 1 AND state = 'due'
AND (upload_id = :upload_id OR (letter <> '' AND letter IN (
    SELECT letter FROM tasks WHERE upload_id = :upload_id AND state = 'due')));

-- name: mailed
SELECT at FROM mailed WHERE address = lower(:address) AND template = :template;

-- name: note_mailed
INSERT INTO mailed (address, template, at, before) VALUES (lower(:address), :template, :now, 0)
ON CONFLICT (address, template) DO UPDATE SET before = at, at = excluded.at;

-- name: unnote_mailed
UPDATE mailed SET at = before WHERE address = lower(:address) AND template = :template;

-- name: forget_mailed
DELETE FROM mailed WHERE at < :before;
-- name: sent_files
SELECT id, path, package_path, name, size, hash, chunk_size, cloud_id FROM files
WHERE upload_id = :upload_id AND path > :after ORDER BY path LIMIT :limit;

-- name: due_receipt
SELECT id, facts FROM tasks WHERE upload_id = :upload_id AND kind = 'receipt' AND state = 'due';

-- name: note_receipt_facts
UPDATE tasks SET facts = :facts WHERE id = :id;

-- name: sent_chunks
SELECT chunks.* FROM chunks JOIN files ON files.id = chunks.file_id
WHERE chunks.file_id IN (SELECT value FROM json_each(:file_ids))
AND chunks.version = files.version ORDER BY chunks.file_id, chunks.number;

-- name: finalize_asked_at
SELECT max(at) AS at FROM events WHERE noun = 'upload' AND noun_id = :upload_id
AND event = 'finalize';

-- name: add_receipt_piece
INSERT INTO receipt_pieces (upload_id, piece, content) VALUES (:upload_id, :piece, :content)
ON CONFLICT (upload_id, piece) DO UPDATE SET content = excluded.content;

-- name: forget_later_pieces
DELETE FROM receipt_pieces WHERE upload_id = :upload_id AND piece > :piece;

-- name: receipt_piece
SELECT content FROM receipt_pieces WHERE upload_id = :upload_id AND piece = :piece;

-- name: newest_receipt
SELECT number, hash FROM receipts ORDER BY number DESC LIMIT 1;

-- name: add_receipt
INSERT INTO receipts (number, upload_id, content, hash, signature)
VALUES (:number, :upload_id, :content, :hash, :signature);

-- name: receipt
SELECT * FROM receipts WHERE upload_id = :upload_id;

-- name: receipts
SELECT * FROM receipts WHERE number > :after ORDER BY number LIMIT :limit;

-- name: forget_receipt_pieces_of
DELETE FROM receipt_pieces WHERE upload_id = :upload_id;

-- name: forget_receipt_chain
DELETE FROM meta WHERE key = 'receipt_chain';
-- name: unread
SELECT * FROM unread WHERE hot_folder = :hot_folder ORDER BY path;

-- name: add_unread
INSERT OR REPLACE INTO unread (hot_folder, path, initial, anew, mounted)
VALUES (:hot_folder, :path, :initial, :anew, :mounted);

-- name: forget_unread
DELETE FROM unread WHERE hot_folder = :hot_folder AND path = :path;

-- name: submounts
SELECT path FROM submounts WHERE hot_folder = :hot_folder AND root = :root ORDER BY path;

-- name: add_submount
INSERT OR IGNORE INTO submounts (hot_folder, root, path) VALUES (:hot_folder, :root, :path);

-- name: forget_submount
DELETE FROM submounts WHERE hot_folder = :hot_folder AND root = :root AND path = :path;

-- name: forget_submounts
DELETE FROM submounts WHERE hot_folder = :hot_folder;

-- name: rename_submounts
UPDATE OR REPLACE submounts SET hot_folder = :new WHERE hot_folder = :old;

-- name: rename_unread
UPDATE OR REPLACE unread SET hot_folder = :new || substr(hot_folder, length(:old) + 1)
WHERE hot_folder = :old OR (hot_folder > :old || '@' AND hot_folder < :old || 'A');

-- name: know_drop
UPDATE drops SET signature = :signature, size = :size, file_count = :file_count WHERE id = :id;

-- name: ended_before
SELECT earlier.* FROM drops AS later JOIN drops AS earlier ON earlier.hot_folder = later.hot_folder
    AND earlier.path = later.path AND earlier.generation < later.generation
WHERE later.id = :id AND earlier.forgotten = 0 AND earlier.signature <> ''
ORDER BY earlier.generation DESC LIMIT 1;

-- name: ongoing_drops
-- one that somebody has to move first, as a paused or a held one, is waited for by nobody; the
-- states are named twice for the planner: those that were taken have an index by content
SELECT * FROM drops WHERE hot_folder = :hot_folder AND file_count = :file_count AND size = :size
AND state IN ('taken', 'done') AND state = 'taken' AND whole = 1 AND hold IS NULL AND path <> :path AND forgotten = 0 AND late = 0
AND EXISTS (SELECT 1 FROM uploads WHERE uploads.id = drops.upload_id AND batch = 0
    AND relinks IS NULL AND uploads.state IN ('transferring', 'idle', 'finalizing'))
ORDER BY id DESC LIMIT :most;

-- name: archive
SELECT * FROM archives WHERE hot_folder = :hot_folder AND path = :path;

-- name: note_archive
INSERT INTO archives (hot_folder, path, top, uuid, device, boot, source, home)
VALUES (:hot_folder, :path, :top, :uuid, :device, :boot, :source, :home)
ON CONFLICT (hot_folder, path) DO UPDATE SET top = excluded.top, uuid = excluded.uuid,
    device = excluded.device, boot = excluded.boot, source = excluded.source, home = excluded.home,
    why = '';

-- name: note_archive_away
UPDATE archives SET why = :why WHERE hot_folder = :hot_folder AND path = :path;

-- name: forget_archives
DELETE FROM archives WHERE hot_folder = :hot_folder;

-- name: rename_archives
UPDATE OR REPLACE archives SET hot_folder = :new WHERE hot_folder = :old;

-- name: rename_bulletins
UPDATE OR IGNORE bulletins SET hot_folder = :new WHERE hot_folder = :old;

-- name: rename_asked
UPDATE OR IGNORE meta SET key = 'asked:' || :new || substr(key, length('asked:' || :old) + 1)
WHERE key = 'asked:' || :old OR (key > 'asked:' || :old || '@' AND key < 'asked:' || :old || 'A');

-- name: rename_holding
UPDATE OR IGNORE meta SET key = 'holding:' || :new || substr(key, length('holding:' || :old) + 1)
WHERE key = 'holding:' || :old
OR (key > 'holding:' || :old || '@' AND key < 'holding:' || :old || 'A');

-- name: archives_away
SELECT * FROM archives WHERE why <> '' AND EXISTS (SELECT 1 FROM tasks
    JOIN drops ON drops.id = CAST(tasks.key AS INTEGER)
    WHERE tasks.state = 'due' AND tasks.kind = 'dispose'
    AND drops.hot_folder = archives.hot_folder) ORDER BY hot_folder, path;

-- name: hurry_disposals
UPDATE tasks SET retry_at = 0 WHERE state = 'due' AND kind = 'dispose' AND retry_at > 0;

-- name: shortage
SELECT * FROM shortages WHERE payer = :payer;

-- name: shortages
SELECT * FROM shortages ORDER BY since, payer;

-- name: note_shortage
INSERT INTO shortages (payer, since, ask_at, refusals, step, why)
VALUES (:payer, :since, :ask_at, :refusals, :step, :why)
ON CONFLICT (payer) DO UPDATE SET since = excluded.since, ask_at = excluded.ask_at,
    refusals = excluded.refusals, step = excluded.step, why = excluded.why;

-- name: end_shortage
DELETE FROM shortages WHERE payer = :payer;

-- name: hurry_shortages
UPDATE shortages SET ask_at = :now WHERE ask_at > :now;

-- name: refused_for
SELECT id, terms FROM uploads
WHERE state IN ('transferring', 'finalizing') AND error_code = :code;

-- name: hurry_refused
UPDATE uploads SET retry_at = 0, error = '', error_code = NULL WHERE id = :id AND error_code = :code;

-- name: set_ask_at
UPDATE shortages SET ask_at = :ask_at WHERE payer = :payer;

-- name: hasten_shortage
-- what a person tries in vain makes the pauses no longer
UPDATE shortages SET ask_at = :now, refusals = refusals - 1 WHERE payer = :payer AND ask_at > :now;

-- name: waits_for_payment
-- what has no package yet is not asked for before its payer's time, unless a person started it
SELECT * FROM (SELECT id, terms, retry_at, coalesce(error_code = :code, 0) AS is_refused,
        package_id IS NULL AND relinks IS NULL AND started = 0 AS needs_one
    FROM uploads WHERE state IN ('transferring', 'finalizing') AND lease_until <= :now) AS found
WHERE is_refused OR needs_one;
