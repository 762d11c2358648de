/* The bounds of a run and its planted mistake. check.mjs sets them (-DNAME=VALUE); these are the defaults. */

/* Bounds. Spin searches every interleaving within them. */
#ifndef ITEMS
#define ITEMS 2       /* records of the library */
#endif
#ifndef WRITERS
#define WRITERS 1     /* concurrent writers */
#endif
#ifndef WRITES
#define WRITES 3      /* committed changes, lost ones included; at most 7: one bit each in `received` */
#endif
#ifndef WALL
#define WALL 4        /* the wall clock runs from 1 to WALL … */
#endif
#ifndef STEPS_BACK
#define STEPS_BACK 1  /* … and steps back by 1, this often */
#endif
#ifndef RESTORES
#define RESTORES 0    /* how often the database goes back to an older state */
#endif
#ifndef NEIGHBOUR
#define NEIGHBOUR 0   /* 1: there is another feed, of which only the clock matters */
#endif
#ifndef RETENTION
#define RETENTION 0   /* 1: the pruner runs */
#endif
#ifndef PAGES
#define PAGES 0       /* 1: the follower may ask for pages of one change (`limit=1`), too */
#endif
#ifndef CONTENT
#define CONTENT 0     /* 1: contents come from item pages, after the answer; 0: with the change */
#endif

/* Assumptions about the world. */
#ifndef LEAD
#define LEAD 1        /* no clock of a lost history is further ahead of the wall clock than this */
#endif
#ifndef LIFE
#define LIFE 8        /* no transaction commits later than this after its tick */
#endif

/* Alternative designs that hold as well. */
#ifndef AS_OF_FIRST
#define AS_OF_FIRST 0 /* 1: every page of a compact sync is read as of the clock of the first one */
#endif
#ifndef LOST_FROM
#define LOST_FROM 1   /* 0: lost time has an end, T0, but no beginning */
#endif

/* The planted mistake of the run, at most one. */
#ifndef BUG
#define BUG NONE
#endif
#define NONE 0

#define TICK_WITHOUT_LOCK 1       /* a tick is taken without the lock of the feed */
#define TICK_IS_WALL 2            /* a tick is the wall clock, not at least the clock + 1 */
#define WALL_AS_CURSOR 3          /* the cursor of an answer is the wall clock */
#define CLOCK_READ_LATE 4         /* the cursor of an answer is the clock, read after the changes */
#define SINCE_INCLUSIVE 5         /* an answer has the change at `since`, too */
#define PAGE_ENDS_AT_CLOCK 6      /* the cursor of a page that is cut is the clock */

#define NO_HISTORY 10             /* a restore goes unnoticed */
#define OPENED_LATE 11            /* the restored database is used before the history is opened */
#define CHECKED_EARLY 12          /* lost time is checked before the clock of the answer is read */
#define T0_WITHOUT_LEAD 13        /* T0 leaves out what a lost clock can have run ahead */
#define T0_NOT_REFUSED 14         /* lost time ends before T0 */
#define TICK_AT_T0 15             /* the first tick of a history may equal T0 */
#define BIRTH_IN_LOST_TIME 16     /* the birth clock of a feed may be in lost time */
#define LOST_FROM_CLOCK 17        /* lost time begins at the greatest surviving clock */
#define LOST_FROM_WITHOUT_LEAD 18 /* its margin leaves out what the surviving clock can have run ahead */
#define RESTORED_TOO_SOON 19      /* LEAD does not hold for the second restore, because it comes too soon */
#define CONTENT_TRUSTED 20        /* the client does not fetch again what was ahead of its cursor */
#define PAGE_BY_SINCE 21          /* a later page is checked for lost time by its `since` alone */
#define PAGE_BY_FIRST 22          /* … and by the clock of the first page, not by that of the page before */
#define SURVIVOR_PRUNED 23        /* the last tick that survived is sought among the changes alone */

#define NO_FLOOR 30               /* the floor refuses nothing */
#define FLOOR_OFF_BY_ONE 31       /* one tick below the floor is accepted */
#define FLOOR_SET_LATER 32        /* the floor is set in a transaction after the deletion */
#define FLOOR_READ_EARLY 33       /* the floor is read with the clock, not with the changes */
#define FLOOR_AHEAD 34            /* the floor may be ahead of the clock */
#define PRUNED_ABOVE_FLOOR 35     /* the pruner deletes one tick too much */
#define PRUNED_BY_DATETIME 36     /* the pruner deletes changes that were superseded after the floor */
#define PAGE_BELOW_FLOOR 37       /* a later page is accepted though the floor is above the first one */
#define PAGE_OF_A_COPY 38         /* the rule of later pages also serves clients that began with a copy */
