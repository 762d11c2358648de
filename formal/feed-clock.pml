/*
 * One feed: its writers, the wall clock, restores of an older state, the pruner, and one follower.
 * README.md explains how to read and to run the model; docs/sync-feed.md has the same rules in prose.
 *
 * Times are small integers. 0 is 1970; as the value of a variable it also means "none".
 * Each d_step is one transaction or one statement: the database makes it atomic. Spin tries every order.
 */
#include "variants.pml"

#define MAX(a, b) (((a) > (b)) -> (a) : (b))
#define BIT(n) (1 << (n))

mtype = { stored, deleted };   /* words of the counterexamples */

/* The database, as committed. A restore brings back an older state of all of it. */
typedef Change { byte datetime; byte version; byte item; bit is_deletion };
Change feed[WRITES];      /* in the order of commits; pruned ones stay, marked: the properties need them */
byte changes;             /* length of the feed */
byte pruned;              /* bit i: the pruner has deleted feed[i] */
byte library[ITEMS];      /* version of each record; 0: there is none */
byte birth, clock;        /* of the feed; 0: it has not been born */
byte floor;               /* of the feed: the pruner has deleted up to here */
byte neighbour;           /* clock of another feed */
byte histories;           /* opened so far; row 0 is the time before */
byte lost_from[RESTORES + 1], T0[RESTORES + 1];

/* Open transactions. */
bit lock;                 /* of the row of the feed */
byte tick[WRITERS];       /* 0: no transaction */

/* The world, which no restore brings back. */
byte wall = 1;
byte steps_back, versions, restores;
byte issued;              /* the greatest clock that has ever been committed */

/* Scratch variables. Each step assigns them before it reads them, so they are not part of the state. */
hidden byte h, i, j, k, n, until, seen, survivor, version_of[ITEMS];
hidden byte is_lost, is_refused, is_cut, is_superseded;

#define NEXT_TICK(clock) \
  MAX(MAX(wall, (BUG == TICK_IS_WALL -> 0 : clock + 1)), T0[histories] + (BUG != TICK_AT_T0))

/* ---- Writers. A change and its tick become visible in one step, the commit; only then is the lock free. */

inline be_born() {
  d_step {
    !birth ->
    birth = (BUG == BIRTH_IN_LOST_TIME -> wall : NEXT_TICK(0));
    clock = birth;
    issued = MAX(issued, clock);
    printf("the feed is born at %d\n", birth)
  }
}

inline begin() {
  d_step {
    birth && !tick[me] && versions < WRITES && (!lock || BUG == TICK_WITHOUT_LOCK) ->
    lock = 1;
    tick[me] = NEXT_TICK(clock);
    printf("writer %d takes tick %d\n", me, tick[me])
  }
}

inline commit(item_id, deletes) {
  d_step {
    tick[me] && versions < WRITES && wall <= tick[me] + LIFE && (library[item_id] || !deletes) ->
    versions++;
    printf("writer %d commits at %d: item %d %e, version %d\n", me, tick[me], item_id,
      (deletes -> deleted : stored), versions);
    feed[changes].datetime = tick[me];
    feed[changes].version = versions;
    feed[changes].item = item_id;
    feed[changes].is_deletion = deletes;
    changes++;
    library[item_id] = (deletes -> 0 : versions);
    clock = MAX(clock, tick[me]);
    issued = MAX(issued, clock);
    tick[me] = 0;
    lock = 0
  }
}

inline roll_back() {
  d_step { tick[me] -> tick[me] = 0; lock = 0; printf("writer %d rolls back\n", me) }
}

active [WRITERS] proctype Writer() {
  byte me = _pid;         /* processes are numbered from 0 in the order of this file */
end:
  do
  :: be_born()
  :: begin()
  :: commit(0, 0)
  :: commit(0, 1)
  :: commit(1, 0)
  :: commit(1, 1)
#if ITEMS > 2
  :: commit(2, 0)
#endif
  :: roll_back()
  od
}

active proctype Wall() {
end:
  do
  :: d_step { wall < WALL -> wall++; printf("the wall clock is %d\n", wall) }
  :: d_step {
       wall > 1 && steps_back < STEPS_BACK ->
       wall--;
       steps_back++;
       printf("the wall clock steps back to %d\n", wall)
     }
  od
}

#if NEIGHBOUR
active proctype Neighbour() {
end:
  do
  :: d_step {
       NEXT_TICK(neighbour) <= MAX(wall, T0[histories]) + LEAD ->
       neighbour = NEXT_TICK(neighbour);
       issued = MAX(issued, neighbour);
       printf("the clock of the other feed is %d\n", neighbour)
     }
  od
}
#endif

/* ---- Restores. A backup is an older state: a dump, the end of a point-in-time recovery, a late standby. */

byte backups;
byte saved_changes;       /* the changes themselves need no copy: a restore cuts the feed */
byte saved_pruned, saved_birth, saved_clock, saved_floor, saved_neighbour, saved_histories;
bit is_unopened;          /* OPENED_LATE: the history has yet to be opened */

/* Lost time: no lost tick is at or before lost_from, and none is after T0. */
#define NEW_T0(clock, neighbour, histories) \
  (MAX(MAX(wall, T0[histories]), MAX(clock, neighbour)) + (BUG == T0_WITHOUT_LEAD -> 0 : LEAD))
#define MARGIN (LIFE + STEPS_BACK + 1 + (BUG == LOST_FROM_WITHOUT_LEAD -> 0 : LEAD))

inline open_history() {
  n = MAX(clock, neighbour);
  if
  :: BUG != LOST_FROM_CLOCK -> n = (n > MARGIN -> n - MARGIN : 0)
  :: else
  fi;
  lost_from[histories + 1] = (LOST_FROM -> n : 0);
  T0[histories + 1] = NEW_T0(clock, neighbour, histories);
  histories++;
  is_unopened = 0;
  printf("history %d: lost from %d, T0 %d\n", histories, lost_from[histories], T0[histories])
}

inline back_up() {
  backups++;
  saved_changes = changes; saved_pruned = pruned; saved_birth = birth; saved_clock = clock;
  saved_floor = floor; saved_neighbour = neighbour; saved_histories = histories;
  printf("backup at clock %d\n", clock)
}

inline forget_backup() {  /* fewer states */
  saved_changes = 0; saved_pruned = 0; saved_birth = 0; saved_clock = 0;
  saved_floor = 0; saved_neighbour = 0; saved_histories = 0
}

inline restore() {
  restores++;
  for (i : saved_changes .. WRITES - 1) {
    feed[i].datetime = 0; feed[i].version = 0; feed[i].item = 0; feed[i].is_deletion = 0
  }
  for (k : 0 .. ITEMS - 1) { library[k] = 0 }
  for (i : 0 .. saved_changes - 1) { library[feed[i].item] = (feed[i].is_deletion -> 0 : feed[i].version) }
  for (h : saved_histories + 1 .. RESTORES) { lost_from[h] = 0; T0[h] = 0 }
  changes = saved_changes; pruned = saved_pruned; birth = saved_birth; clock = saved_clock;
  floor = saved_floor; neighbour = saved_neighbour; histories = saved_histories;
  for (i : 0 .. WRITERS - 1) { tick[i] = 0 }    /* connections end, and their transactions */
  lock = 0;
  printf("RESTORE of the backup: clock %d\n", clock)
}

#if RESTORES
active proctype Operator() {
end:
  do
  :: d_step { backups == restores && restores < RESTORES -> back_up() }
  :: d_step {
       backups && restores < RESTORES && !is_unopened &&
       (issued <= NEW_T0(saved_clock, saved_neighbour, saved_histories) ||  /* assumption LEAD */
         BUG == T0_WITHOUT_LEAD || (BUG == RESTORED_TOO_SOON && restores)) ->
       restore();
       if
       :: BUG == NO_HISTORY -> skip
       :: BUG == OPENED_LATE -> is_unopened = 1
       :: else -> open_history()
       fi;
       if
       :: restores == RESTORES -> forget_backup()
       :: else
       fi
     }
  :: d_step { is_unopened -> open_history() }
  od
}
#endif

/* ---- The pruner. */

/* Sets is_superseded: is there a later change of the same item, up to `as_of`? */
inline find_superseded(index, as_of) {
  is_superseded = 0;
  for (j : index + 1 .. changes - 1) {
    if
    :: feed[j].item == feed[index].item && feed[j].datetime <= as_of -> is_superseded = 1
    :: else
    fi
  }
}

inline prune(new_floor) {
  n = new_floor + (BUG == PRUNED_ABOVE_FLOOR);
  for (i : 0 .. changes - 1) {
    find_superseded(i, (BUG == PRUNED_BY_DATETIME -> 255 : n));
    if
    :: feed[i].datetime <= n && (is_superseded || feed[i].is_deletion) -> pruned = pruned | BIT(i)
    :: else
    fi
  }
}

#define HIGHEST_FLOOR (clock + (BUG == FLOOR_AHEAD))

#if RETENTION
active proctype Pruner() {
  byte new_floor;
end:
  do
  :: atomic {             /* one transaction, with the lock of the feed; any floor above the last one */
       !lock && birth && floor < HIGHEST_FLOOR ->
       new_floor = floor + 1;
       do
       :: new_floor < HIGHEST_FLOOR -> new_floor++
       :: break
       od;
       d_step {
         printf("the pruner deletes up to %d\n", new_floor);
         prune(new_floor);
         if
         :: BUG != FLOOR_SET_LATER -> floor = new_floor; new_floor = 0
         :: else
         fi
       }
     }
  :: d_step { new_floor -> floor = MAX(floor, new_floor); new_floor = 0 }
  od
}
#endif

#include "follower.pml"
