import { Entity, PrimaryColumn } from 'typeorm';

/**
 * The range of all cursors of a feed that was erased, without its name: a later feed of the same name must not
 * take them for its own. Only the least `born` and the greatest `clock` count.
 */
@Entity('erased_feeds')
export class ErasedFeed {
  @PrimaryColumn({ type: 'timestamptz', precision: 3 })
  born: Date;

  @PrimaryColumn({ type: 'timestamptz', precision: 3 })
  clock: Date;
}
