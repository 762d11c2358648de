/* The follower, the server that answers it, and the properties. */

byte cursor;              /* the next `since` */
byte copy[ITEMS];         /* version of each item; 0: absent */
byte received;            /* bit v: it has received the change that made version v */
byte at;                  /* the clock that the server has read for the request on its way; 0: no request */
byte page;                /* within a paged compact sync: the clock of the page before; else 0 */
byte first;               /* and of the first page, if the sync began with an empty copy; else 0 */
byte to_fetch;            /* bit k: the content of item k is to be fetched */
byte ahead;               /* bit k: the content of item k was newer than the cursor when it was fetched */
byte early;               /* CHECKED_EARLY: 1: was checked; FLOOR_READ_EARLY: the floor */

/* ---- The properties. */

/* A request that is accepted comes from an exact copy, of this history, at its cursor. */
inline check_copy() {
  seen = 0;
  for (k : 0 .. ITEMS - 1) { version_of[k] = 0 }
  for (i : 0 .. changes - 1) {
    if
    :: feed[i].datetime <= cursor ->
       seen = seen | BIT(feed[i].version);
       version_of[feed[i].item] = (feed[i].is_deletion -> 0 : feed[i].version)
    :: else
    fi
  }
  for (k : 0 .. ITEMS - 1) {
    assert(CONTENT || copy[k] == version_of[k])   /* no ghost, nothing missing, nothing stale */
  }
  assert(received == seen)                        /* no change lost, none of an ended history */
}

/* Content that was fetched after the answer is exact when the feed rests, or will be fetched again. */
inline check_content() {
  if
  :: CONTENT && cursor == clock && !page && !to_fetch ->
     for (k : 0 .. ITEMS - 1) { assert(copy[k] == library[k] || (ahead & BIT(k))) }
  :: else
  fi
}

/* A client that starts again gets a cursor that the server accepts: it need not start again for ever. */
inline check_progress() {
  find_lost(clock);
  assert(!is_lost && floor <= clock)
}

/* ---- The server. */

/*
 * Sets is_lost: is this a cursor of a history that has ended? That is, after all that survived of the feed.
 * The last tick that survived is in `feeds` until the next one; then the changes and the birth have it.
 */
inline find_lost(since) {
  is_lost = 0;
  for (h : 1 .. histories) {
    survivor = (clock <= T0[h] && BUG != SURVIVOR_PRUNED -> clock : (birth <= T0[h] -> birth : 0));
    for (i : 0 .. changes - 1) {
      if
      :: !(pruned & BIT(i)) && feed[i].datetime <= T0[h] -> survivor = MAX(survivor, feed[i].datetime)
      :: else
      fi
    }
    if
    :: lost_from[h] < since && since <= T0[h] - (BUG == T0_NOT_REFUSED) && since > survivor -> is_lost = 1
    :: else
    fi
  }
}

inline start_again() {    /* 410: from an empty copy */
  printf("since=%d: 410\n", cursor);
  cursor = 0; received = 0; at = 0; page = 0; first = 0; to_fetch = 0; ahead = 0; early = 0;
  for (k : 0 .. ITEMS - 1) { copy[k] = 0 }
}

/* First half of a request: the clock and the histories, in one read. */
inline ask() {
  find_lost(cursor);
  is_refused = is_lost;
  if
  :: page && !AS_OF_FIRST && BUG != PAGE_BY_SINCE -> find_lost(page); is_refused = is_refused || is_lost
  :: else
  fi;
  if
  :: is_refused && BUG != CHECKED_EARLY -> start_again()
  :: else ->
     if
     :: !page -> check_copy(); check_content()
     :: else
     fi;
     check_progress();
     at = (page && AS_OF_FIRST -> page : clock);
     early = (BUG == FLOOR_READ_EARLY -> floor : 0);
     printf("since=%d: the clock is %d\n", cursor, at)
  fi
}

inline receive(index, compact) {
  k = feed[index].item;
  printf("  at %d: item %d %e, version %d\n", feed[index].datetime, k,
    (feed[index].is_deletion -> deleted : stored), feed[index].version);
  if
  :: !compact ->
     assert(!(received & BIT(feed[index].version)));    /* PROPERTY: no change arrives twice */
     received = received | BIT(feed[index].version)
  :: else
  fi;
  if
  :: feed[index].is_deletion -> copy[k] = 0; to_fetch = to_fetch & ~BIT(k); ahead = ahead & ~BIT(k)
  :: else ->
     copy[k] = (CONTENT -> copy[k] : feed[index].version);
     to_fetch = to_fetch | (CONTENT -> BIT(k) : 0)
  fi
}

/* An answer is complete if no change after this was pruned, nor one that was the latest at this time. */
#define COMPLETE_FROM(compact) (first -> first : (compact && !cursor -> at : cursor))

#define END_OF_FEED (BUG == WALL_AS_CURSOR -> MAX(at, wall) : (BUG == CLOCK_READ_LATE -> clock : at))

/*
 * Second half of a request: the changes up to the clock, and the floor, in one read.
 *
 * compact: the latest change of each item as of the clock; for an empty copy without deletions.
 * limit: one change. A page that is cut ends at the datetime of its last change, any other at the clock.
 */
inline answer(compact, limit) {
  n = (BUG == FLOOR_READ_EARLY -> early : floor);
  is_refused = n > COMPLETE_FROM(compact) + (BUG == FLOOR_OFF_BY_ONE) &&
    BUG != NO_FLOOR && !(page && BUG == PAGE_BELOW_FLOOR);
  if
  :: is_refused -> start_again()
  :: else ->
     n = 0; until = at; is_cut = 0;
     for (i : 0 .. changes - 1) {
       find_superseded(i, at);
       if
       :: (pruned & BIT(i)) || feed[i].datetime > at -> skip
       :: feed[i].datetime + (BUG == SINCE_INCLUSIVE) <= cursor -> skip
       :: compact && (is_superseded || (feed[i].is_deletion && !cursor)) -> skip
       :: else ->
          if
          :: limit && n -> is_cut = 1
          :: else -> receive(i, compact); n++; until = feed[i].datetime
          fi
       fi
     }
     until = (is_cut && BUG != PAGE_ENDS_AT_CLOCK -> until : END_OF_FEED);
     if
     :: compact && is_cut ->
        first = (!page && (!cursor || BUG == PAGE_OF_A_COPY) -> at : first);
        page = (page && BUG == PAGE_BY_FIRST -> page : at)
     :: else -> first = 0; page = 0
     fi;
     if
     :: compact && !is_cut ->   /* it stands for every change up to its clock */
        for (i : 0 .. changes - 1) {
          received = received | (feed[i].datetime <= until -> BIT(feed[i].version) : 0)
        }
     :: else
     fi;
     to_fetch = to_fetch | (BUG == CONTENT_TRUSTED -> 0 : ahead);
     cursor = until;
     at = 0;
     early = 0;
     printf("  the next cursor is %d (compact=%d, limit=%d)\n", cursor, compact, limit)
  fi
}

/* The item page has the current content: it may be newer than the cursor, or gone (404). */
inline fetch(item_id) {
  to_fetch = to_fetch & ~BIT(item_id);
  copy[item_id] = library[item_id];
  until = 255;            /* updatedAt; a 404 has none */
  for (i : 0 .. changes - 1) {
    until = (feed[i].version == copy[item_id] -> feed[i].datetime : until)
  }
  ahead = (until > cursor -> ahead | BIT(item_id) : ahead & ~BIT(item_id));
  printf("the content of item %d is fetched: version %d\n", item_id, copy[item_id]);
  assert(cursor != clock || !(ahead & BIT(item_id)));   /* PROPERTY: it is not fetched again for ever */
  ahead = (BUG == CONTENT_TRUSTED -> 0 : ahead);
  check_content()
}

inline check_early() {
  find_lost(cursor);
  if
  :: is_lost -> start_again()
  :: else -> early = 1
  fi
}

/* ---- The follower asks at any time, in any of the ways, and may lose any answer. */

#define IS_IDLE (birth && !at && !to_fetch)
#define MUST_CHECK (BUG == CHECKED_EARLY && !early)

active proctype Follower() {
end:
  do
  :: d_step { IS_IDLE && MUST_CHECK -> check_early() }
  :: d_step { IS_IDLE && !MUST_CHECK -> ask() }
  :: d_step { at && !page -> answer(0, 0) }
  :: d_step { at -> answer(1, 0) }
#if PAGES
  :: d_step { at && !page -> answer(0, 1) }
  :: d_step { at -> answer(1, 1) }
#endif
  :: d_step { at -> at = 0; early = 0; printf("  the connection breaks off\n") }
#if CONTENT
  :: d_step { to_fetch & BIT(0) -> fetch(0) }
  :: d_step { to_fetch & BIT(1) -> fetch(1) }
#endif
  od
}
