/* The binary interface between the gateway and a model plug-in.
 *
 * A plug-in is a shared object with one exported function, gemel_plugin(), that returns a constant
 * gemel_model. Model authors write C++ against model.hpp, which fills these structs in; this file
 * is what makes a plug-in of another compiler or language possible.
 *
 * Rules that hold for every function of a plug-in:
 *  - The host owns all state: it allocates, copies, saves and restores it as bytes. A state struct
 * is trivially copyable and holds no pointers.
 *  - The host never calls one twin concurrently, but calls different twins of a model from several
 *    threads at once. Whatever is not twin state is therefore immutable after `create`.
 *  - Pointers that the host hands over are valid until the function returns, unless said otherwise.
 *  - No exception leaves a plug-in. Failure is a return value other than 0 after `host->fail`.
 *  - Times are microseconds since the Unix epoch; GEMEL_NO_TIME means that there is none.
 *
 * Structs begin with their size, and fields are only appended, so that a plug-in of an earlier
 * minor version still loads. A change that can't be made this way raises GEMEL_ABI_VERSION.
 */
#ifndef GEMEL_SDK_MODEL_H_
#define GEMEL_SDK_MODEL_H_

/* NOLINTBEGIN(modernize-*): this is C, too. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GEMEL_ABI_VERSION 1u
#define GEMEL_PLUGIN_SYMBOL "gemel_plugin"
#define GEMEL_NO_TIME INT64_MIN
#define GEMEL_NO_OFFSET UINT32_MAX

/* Text that is not NUL-terminated. */
typedef struct gemel_text {
  const char* data;
  size_t size;
} gemel_text;

/* How a field lies in the state struct. */
typedef enum gemel_type {
  GEMEL_NULL = 0,   /* of a value only: there is none */
  GEMEL_BOOL = 1,   /* one byte, 0 or 1 */
  GEMEL_INT64 = 2,  /* INT64_MIN is null */
  GEMEL_DOUBLE = 3, /* NaN is null */
  GEMEL_TIME = 4,   /* int64 microseconds, GEMEL_NO_TIME is null */
  GEMEL_SYMBOL = 5, /* without choices: uint32 number of an interned text, 0 is null.
                       with choices: uint8 index into them */
  GEMEL_TEXT = 6,   /* uint16 length, then capacity bytes; length 0 is null */
  GEMEL_WINDOW = 7  /* of a field only: bytes that only the model understands, without padding,
                       numbers of symbols or anything else that means nothing in another process.
                       Set by the model; choices[0], the only one, names their layout, such as
                       "ring<double,32>/1". Saved while layout and size stay the same; otherwise
                       it begins anew as `construct` writes it. */
} gemel_type;

/* Who fills a field in. */
typedef enum gemel_source {
  GEMEL_FROM_TELEMETRY = 1, /* the payload; newest event time wins; has a time_offset */
  GEMEL_FROM_TOPIC = 2,     /* a named segment of the topic; newest wins; has a time_offset */
  GEMEL_FROM_PROFILE = 3,   /* a row of context data */
  GEMEL_FROM_MODEL = 4      /* the model's own code */
} gemel_source;

typedef struct gemel_field {
  const char* name;     /* [a-z][a-z0-9_]*, the unit last: oil_temp_c */
  const char* unit;     /* "" if it has none */
  const char* meaning;  /* one sentence */
  uint32_t type;        /* gemel_type */
  uint32_t source;      /* gemel_source */
  uint32_t offset;      /* of the value in the state struct, bytes */
  uint32_t size;        /* of the value, bytes; GEMEL_TEXT: 2 + capacity */
  uint32_t time_offset; /* of the int64 event time of the value, or GEMEL_NO_OFFSET */
  uint32_t choices_count;
  const char* const* choices; /* GEMEL_SYMBOL set by a model: all that it may hold.
                                 GEMEL_WINDOW: its layout, [A-Za-z0-9_<>,.:/+-]+ */
} gemel_field;

typedef struct gemel_value {
  uint32_t type;   /* gemel_type */
  uint32_t length; /* GEMEL_TEXT: bytes */
  union {
    int64_t integer; /* GEMEL_BOOL, GEMEL_INT64, GEMEL_TIME (us), GEMEL_SYMBOL (number) */
    double number;
    const char* text;
  } as;
} gemel_value;

/* A named value: a parameter, an argument of a command, a property of an alert. */
typedef struct gemel_argument {
  gemel_text name;
  gemel_value value;
} gemel_argument;

typedef enum gemel_severity {
  GEMEL_CRITICAL = 1,
  GEMEL_MAJOR = 2,
  GEMEL_MINOR = 3,
  GEMEL_WARNING = 4,
  GEMEL_INFO = 5
} gemel_severity;

typedef enum gemel_log_level {
  GEMEL_LOG_DEBUG = 1,
  GEMEL_LOG_INFO = 2,
  GEMEL_LOG_WARNING = 3,
  GEMEL_LOG_ERROR = 4
} gemel_log_level;

#define GEMEL_MESSAGE_IS_LATE 1u /* older than one already seen of this twin and route */

typedef struct gemel_message {
  uint32_t struct_size;
  uint32_t flags;
  int64_t time_us;  /* event time: the device's word, or arrival where the route names none */
  gemel_text route; /* name of the route that it came by */
  const gemel_value*
      values; /* one a field of the table, in its order; GEMEL_NULL where it has none */
  uint32_t values_count;
  uint32_t reserved;
} gemel_message;

typedef struct gemel_host gemel_host;

/* What a call may know and do. The host's own data follows it in memory. */
typedef struct gemel_context {
  const gemel_host* host;
  int64_t now_us; /* record time: never goes back, the same in every replay */
  gemel_text id;  /* the twin's instance id, or the device's */
} gemel_context;

struct gemel_host {
  uint32_t struct_size;
  uint32_t abi_version;
  /* Deterministic: seeded by the twin's key and the record's number. */
  uint64_t (*random)(gemel_context* context);
  /* Text of an interned symbol; empty for 0. Valid for the life of the process. */
  gemel_text (*symbol_text)(gemel_context* context, uint32_t symbol);
  /* Sends a command to the device on the command topic of its route. expires_us: from now, after
   * which it is worthless and is not delivered; 0 for never. */
  int (*reply)(gemel_context* context, gemel_text name, const gemel_argument* arguments,
               size_t count, int64_t expires_us);
  /* Raises an alert, or counts it where the twin has it already active under this code. */
  int (*raise)(gemel_context* context, uint32_t severity, gemel_text code, gemel_text message,
               const gemel_argument* properties, size_t count);
  /* Clears it; not an error if it is not active. */
  int (*clear)(gemel_context* context, gemel_text code);
  /* 1 while the alert is active. */
  int (*is_active)(gemel_context* context, gemel_text code);
  void (*log)(gemel_context* context, uint32_t level, gemel_text line);
  /* Says why the call fails. The call must then return other than 0: the twin keeps its state of
   * before the call, its effects are dropped, and the message goes to the dead-letter topic. */
  void (*fail)(gemel_context* context, gemel_text why);
  /* Has on_timer called under this name, [a-z0-9_]+, once after_us have passed, then every every_us
   * (0: only once). In whole milliseconds, rounded up; takes the place of a timer of that name. */
  int (*set_timer)(gemel_context* context, gemel_text name, int64_t after_us, int64_t every_us);
  /* Not an error if there is none. */
  int (*cancel_timer)(gemel_context* context, gemel_text name);
  /* 1 while it is armed. */
  int (*has_timer)(gemel_context* context, gemel_text name);
  /* Has on_message of another twin called, which is made if there is none yet; once the call has
   * succeeded, and after what was received before. A chain of messages that cause each other is cut
   * where it is too long. */
  int (*send)(gemel_context* context, gemel_text model, gemel_text id, gemel_text name,
              const gemel_argument* arguments, size_t count);
  /* Deletes another twin, or with model and id empty this one; not an error if there is none. */
  int (*remove)(gemel_context* context, gemel_text model, gemel_text id);
};

/* What another twin has sent. Symbols among the arguments arrive as texts. */
typedef struct gemel_twin_message {
  uint32_t struct_size;
  uint32_t reserved;
  gemel_text model; /* of the twin that sent it */
  gemel_text id;
  gemel_text name;
  const gemel_argument* arguments;
  size_t arguments_count;
} gemel_twin_message;

/* A read-only table named in the configuration: every cell is text, "" where it is empty. */
typedef struct gemel_table {
  gemel_text name;
  const gemel_text* columns;
  size_t columns_count;
  size_t rows_count;
  gemel_text (*cell)(const struct gemel_table* table, size_t row, size_t column);
} gemel_table;

/* What a model is built from, once, when the configuration is loaded. */
typedef struct gemel_setup {
  uint32_t struct_size;
  uint32_t reserved;
  const gemel_argument* parameters;
  size_t parameters_count;
  const gemel_table* const* tables;
  size_t tables_count;
  /* Says why `create` returns NULL. */
  void (*fail)(const struct gemel_setup* setup, gemel_text why);
} gemel_setup;

typedef struct gemel_device_context gemel_device_context;

/* What the simulator offers to a device model. */
struct gemel_device_context {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t now_us; /* virtual time */
  gemel_text id;
  uint64_t (*random)(gemel_device_context* context);
  /* Fills the named segment of the device's topics, "region" of fleet/{region}/truck/{id}. */
  void (*set_topic)(gemel_device_context* context, gemel_text name, gemel_text value);
  /* Publishes one message on the telemetry topic. */
  void (*publish)(gemel_device_context* context, gemel_text payload);
  /* Asks for the next call of on_tick; without it there is none. */
  void (*tick_at)(gemel_device_context* context, int64_t time_us);
  /* States the truth about a fault that begins or ends, to judge the twin by. */
  void (*truth)(gemel_device_context* context, gemel_text fault, int is_present);
};

/* A simulated source of telemetry. Its state follows the same rules as a twin's. */
typedef struct gemel_device {
  uint32_t struct_size;
  uint32_t state_size;
  uint32_t state_align;
  uint32_t reserved;
  void (*construct)(void* state);
  int (*on_start)(void* state, gemel_device_context* context);
  int (*on_tick)(void* state, gemel_device_context* context);
  int (*on_command)(void* state, gemel_device_context* context, gemel_text name,
                    const gemel_argument* arguments, size_t count);
} gemel_device;

typedef struct gemel_model {
  uint32_t abi_version; /* GEMEL_ABI_VERSION of the header it was built with */
  uint32_t struct_size;
  const char* name;    /* [a-z][a-z0-9_]* */
  const char* meaning; /* one sentence */
  uint32_t state_size;
  uint32_t state_align;
  const gemel_field* fields;
  size_t fields_count;
  /* The immutable object of parameters that all twins of the model share. NULL after setup->fail.
   */
  void* (*create)(const gemel_setup* setup);
  void (*destroy)(void* object);
  /* Writes the default state; the profile is filled in after it. */
  void (*construct)(void* state);
  /* Once for every new twin, before its first message. */
  int (*on_init)(const void* object, void* state, gemel_context* context);
  /* Once for every message, after the fields of telemetry and topic were merged into the state. */
  int (*on_telemetry)(const void* object, void* state, const gemel_message* message,
                      gemel_context* context);
  const gemel_device* device; /* NULL if the plug-in has no simulator */
  /* Once for every timer that is due; one that fires once is armed no more by then. NULL if the
   * model sets no timers. */
  int (*on_timer)(const void* object, void* state, gemel_text name, gemel_context* context);
  /* Once for every message of another twin. NULL if the model takes none. */
  int (*on_message)(const void* object, void* state, const gemel_twin_message* message,
                    gemel_context* context);
} gemel_model;

/* The one symbol of a plug-in. */
typedef const gemel_model* (*gemel_plugin_function)(void);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*) */

#endif  // GEMEL_SDK_MODEL_H_
