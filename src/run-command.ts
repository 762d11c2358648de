/**
 * Runs a command for operators, and ends the process with 1 and one line if it fails.
 *
 * @param failure first words of that line
 */
export async function runCommand(failure: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    console.error(`${failure}: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
}
